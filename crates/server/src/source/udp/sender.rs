//! Whom to listen to, where anybody can send.

use media::Mono;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// After this silence another sender may follow: one that was started anew has another port.
const SILENT: Duration = Duration::from_millis(500);

/// The one that is heard.
pub(super) struct Sender {
    camera: Arc<str>,
    heard: Option<(SocketAddr, Mono)>,
    /// Others were turned away since this one was taken.
    warned: bool,
}

impl Sender {
    /// Nobody yet.
    pub(super) fn new(camera: Arc<str>) -> Self {
        Self { camera, heard: None, warned: false }
    }

    /// True if what came from there is to be read.
    pub(super) fn admits(&mut self, from: SocketAddr, now: Mono) -> bool {
        match self.heard {
            Some((known, at)) if known != from && now.since(at) < SILENT => {
                if !std::mem::replace(&mut self.warned, true) {
                    let camera = &self.camera;
                    tracing::warn!(%camera, heard = %known, ignored = %from, "two senders at one port: give each its own");
                }
                false
            }
            before => {
                self.warned &= before.is_some_and(|(known, _)| known == from);
                self.heard = Some((from, now));
                true
            }
        }
    }

    /// Who was heard last.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.heard.map(|(from, _)| from.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_one_is_heard_when_the_first_is_silent() {
        let at = |ms: u64| Mono::from_nanos(ms * 1_000_000);
        let [first, second] = [1, 2].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        let mut sender = Sender::new("front".into());
        assert!(
            sender.admits(first, at(0))
                && !sender.admits(second, at(100))
                && sender.admits(first, at(400))
        );
        assert!(
            !sender.admits(second, at(800))
                && sender.admits(second, at(900))
                && !sender.admits(first, at(901))
        );
    }
}
