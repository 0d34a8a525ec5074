//! Whether the peer is still there, and how long the way to it and back is.

use media::Mono;
use std::time::Duration;

/// Between two pings.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// A peer that was silent for so long is gone. Browsers answer pings without the page, unless it
/// does not read at all.
pub(super) const GONE: Duration = Duration::from_secs(15);

/// Pings and what came back.
#[derive(Debug)]
pub(super) struct Pulse {
    heard: Mono,
}

impl Pulse {
    pub(super) fn new(now: Mono) -> Self {
        Self { heard: now }
    }

    /// The content of the next ping: when it was sent, so that nothing has to be remembered.
    pub(super) fn ping(now: Mono) -> [u8; 8] {
        now.as_nanos().to_be_bytes()
    }

    /// Anything was heard.
    pub(super) fn heard(&mut self, now: Mono) {
        self.heard = now;
    }

    /// The round trip that an answer proves, frames that were under way before it included. `None`
    /// if it answers nothing that was asked.
    pub(super) fn pong(now: Mono, content: &[u8]) -> Option<Duration> {
        let sent = Mono::from_nanos(u64::from_be_bytes(content.try_into().ok()?));
        let round_trip = now.since(sent);
        (sent <= now && round_trip < GONE * 2).then_some(round_trip)
    }

    /// The peer has been silent for too long.
    pub(super) fn is_gone(&self, now: Mono) -> bool {
        now.since(self.heard) >= GONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_the_way_and_a_forged_one_nothing() {
        let [sent, now] = [5_000_000_000, 5_020_000_000].map(Mono::from_nanos);
        assert_eq!(Pulse::pong(now, &Pulse::ping(sent)), Some(Duration::from_millis(20)));
        assert_eq!(Pulse::pong(sent, &Pulse::ping(now)), None, "from the future");
        assert_eq!(Pulse::pong(Mono::from_nanos(1 << 40), &[0; 8]), None, "from long ago");
        assert_eq!(Pulse::pong(now, b"hello"), None);
    }

    #[test]
    fn silence_is_noticed() {
        let at = |s: u64| Mono::from_nanos(s * 1_000_000_000);
        let mut pulse = Pulse::new(at(0));
        pulse.heard(at(10));
        assert!(!pulse.is_gone(at(24)));
        assert!(pulse.is_gone(at(25)));
    }
}
