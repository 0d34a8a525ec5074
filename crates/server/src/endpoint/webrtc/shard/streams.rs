//! What comes over TCP connections, and who hears of it.

use super::{Shard, ViewerId};
use crate::endpoint::webrtc::tcp::{Key, Ready, What};
use proto::webrtc::{Deframer, Path};
use std::{io, sync::atomic::Ordering::Relaxed};
use tokio::net::TcpStream;

impl Shard {
    pub(super) fn handle_accepted(&mut self, accepted: io::Result<TcpStream>) {
        let refused = self.out.tcp.admit(accepted);
        self.count_refused(refused);
    }

    pub(super) fn handle_stream(&mut self, ready: &Ready) {
        if !self.out.tcp.is_current(ready) {
            return;
        }
        match ready.what {
            What::Readable => {
                if let Some((deframer, path, viewer)) = self.out.tcp.receive(ready.key) {
                    self.handle_frames(ready.key, path, viewer, deframer);
                }
            }
            What::Writable => {
                if let Some(id) = self.out.tcp.handle_writable(ready.key) {
                    self.with_viewer(id, |viewer, cx| viewer.handle_change(cx));
                }
            }
            What::Silent if self.out.tcp.is_overdue(ready.key) => self.refuse(ready.key),
            What::Silent => {}
        }
    }

    fn handle_frames(
        &mut self,
        key: Key,
        path: Path,
        mut viewer: Option<ViewerId>,
        mut deframer: Deframer,
    ) {
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => match viewer.or_else(|| self.shared.directory.find_named(frame))
                {
                    Some(id) if self.is_mine(id) => {
                        match self.handle_frame(key, path, id, frame, viewer.is_some()) {
                            true => viewer = Some(id),
                            false => return self.refuse(key),
                        }
                    }
                    Some(id) => {
                        let frame = frame.to_vec();
                        return self.pass_on(key, path, id, (frame, deframer));
                    }
                    None => return self.refuse(key),
                },
                Ok(None) => return self.out.tcp.resume(key, deframer),
                Err(_) => return self.refuse(key),
            }
        }
    }

    /// False ends the connection: its first frame must be an authentic check of the viewer whose it
    /// claims to be.
    fn handle_frame(
        &mut self,
        key: Key,
        path: Path,
        id: ViewerId,
        frame: &mut [u8],
        known: bool,
    ) -> bool {
        if !self.take(id, path, frame) {
            return known;
        }
        // Its answer may have been its last.
        self.is_here(id) && self.out.tcp.vouch(key, id)
    }

    /// To the media thread of a viewer that is not ours. Whether the check is authentic is for that
    /// one to see.
    fn pass_on(&mut self, key: Key, path: Path, id: ViewerId, rest: (Vec<u8>, Deframer)) {
        let passed =
            self.out.tcp.release(key).is_some_and(|stream| self.hand_over(id, path, stream, rest));
        self.count_refused((!passed).into());
    }

    /// A connection that the first media thread found to be of a viewer of ours.
    pub(super) fn handle_connection(
        &mut self,
        id: ViewerId,
        path: Path,
        stream: std::net::TcpStream,
        rest: (Vec<u8>, Deframer),
    ) {
        let (mut frame, deframer) = rest;
        let Ok(key) = self.out.tcp.adopt(stream, path) else { return self.count_refused(1) };
        match self.handle_frame(key, path, id, &mut frame, false) {
            true => self.handle_frames(key, path, Some(id), deframer),
            false => self.refuse(key),
        }
    }

    fn refuse(&mut self, key: Key) {
        let closed = self.out.tcp.close(key);
        self.count_refused(closed.into());
    }

    fn count_refused(&self, count: u64) {
        self.shared.stats.tcp_refused.fetch_add(count, Relaxed);
    }
}
