//! What comes over TCP connections, and who hears of it.

use super::{Shard, ViewerId};
use crate::endpoint::webrtc::tcp::{Key, Ready, What};
use proto::{stun, webrtc::Path};
use std::{io, sync::atomic::Ordering::Relaxed};
use tokio::net::TcpStream;

impl Shard {
    pub(super) fn handle_accepted(&mut self, accepted: io::Result<TcpStream>) {
        let refused = self.out.tcp.admit(accepted);
        self.stats.tcp_refused.fetch_add(refused, Relaxed);
    }

    pub(super) fn handle_stream(&mut self, ready: &Ready) {
        if !self.out.tcp.is_current(ready) {
            return;
        }
        match ready.what {
            What::Readable => self.handle_frames(ready.key),
            What::Writable => {
                if let Some(id) = self.out.tcp.handle_writable(ready.key) {
                    self.with_viewer(id, |viewer, cx| viewer.handle_change(cx));
                }
            }
            What::Silent if self.out.tcp.is_overdue(ready.key) => self.refuse(ready.key),
            What::Silent => {}
        }
    }

    fn handle_frames(&mut self, key: Key) {
        let Some((mut deframer, path, mut viewer)) = self.out.tcp.receive(key) else { return };
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => match self.handle_frame(key, path, viewer, frame) {
                    Some(id) => viewer = Some(id),
                    None => return self.refuse(key),
                },
                Ok(None) => return self.out.tcp.resume(key, deframer),
                Err(_) => return self.refuse(key),
            }
        }
    }

    /// Whose connection it is: the first frame must be an authentic check, by which a viewer is found. `None` ends the connection.
    fn handle_frame(&mut self, key: Key, path: Path, viewer: Option<ViewerId>, frame: &mut [u8]) -> Option<ViewerId> {
        let id = viewer.or_else(|| stun::local_ufrag(frame).and_then(|ufrag| self.by_ufrag.get(ufrag)).copied())?;
        let mut accepted = false;
        self.with_viewer(id, |viewer, cx| accepted = viewer.handle_datagram(cx, path, frame));
        if !accepted {
            return viewer;
        }
        // Its answer may have been its last.
        (self.viewers.contains_key(&id) && self.out.tcp.vouch(key, id)).then_some(id)
    }

    fn refuse(&mut self, key: Key) {
        let closed = self.out.tcp.close(key);
        self.stats.tcp_refused.fetch_add(closed.into(), Relaxed);
    }
}
