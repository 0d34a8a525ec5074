//! How long browsers shall hold pictures back: not at all on a clean link, long enough for a repair
//! on a lossy one.

use media::Mono;
use std::time::Duration;

/// After this long without loss pictures are shown at once again.
const FORGET: Duration = Duration::from_secs(10);
/// Beyond the round trip, a repair takes the browser's and our own reaction.
const REACTION: Duration = Duration::from_millis(20);
/// Room above the minimum for repairs of repairs.
const ROOM: Duration = Duration::from_millis(140);
/// A path that has become longer is believed after this time.
const SPAN: Duration = Duration::from_secs(20);
/// The most that a viewer is made to wait.
const LONGEST: Duration = Duration::from_millis(500);

/// The policy behind the `playout-delay` header extension.
#[derive(Clone, Copy, Default, Debug)]
pub struct Playout {
    /// The shortest round trip seen lately: what a queue adds to it is no reason to hold pictures
    /// back even longer.
    rtt: Duration,
    /// The shortest one of the present span, and when that began.
    shortest: Option<(Mono, Duration)>,
    repaired_at: Option<Mono>,
    /// The delay in force; within one lossy time it only grows, because every change of it shows.
    delay: Duration,
}

impl Playout {
    /// A packet was sent again, or reported lost.
    pub fn handle_loss(&mut self, now: Mono) {
        self.repaired_at = Some(now);
        self.delay = self.delay.max(self.rtt + REACTION).min(LONGEST);
    }

    /// What was lost was lost to a limit that is gone: pictures are shown at once again.
    pub fn forget(&mut self) {
        *self = Self { rtt: self.rtt, shortest: self.shortest, ..Self::default() };
    }

    /// A new measurement of the round trip.
    #[inline]
    pub fn set_rtt(&mut self, now: Mono, rtt: Duration) {
        let (since, shortest) = self.shortest.unwrap_or((now, rtt));
        let shortest = shortest.min(rtt);
        let span_over = now.since(since) >= SPAN;
        self.rtt = if span_over || self.shortest.is_none() { shortest } else { self.rtt.min(rtt) };
        self.shortest = Some(if span_over { (now, rtt) } else { (since, shortest) });
    }

    /// Least and most time to hold a picture back.
    #[inline]
    pub fn delay(&mut self, now: Mono) -> (Duration, Duration) {
        if self.repaired_at.is_some_and(|at| now.since(at) >= FORGET) {
            self.forget();
        }
        if self.repaired_at.is_none() {
            (Duration::ZERO, Duration::ZERO)
        } else {
            (self.delay, self.delay + ROOM)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn nothing_is_held_back_on_a_clean_link() {
        let mut p = Playout::default();
        p.set_rtt(at(0), ms(40));
        assert_eq!(p.delay(at(0)), (ms(0), ms(0)));
    }

    #[test]
    fn it_follows_the_round_trip_while_packets_are_repaired_and_forgets_after_ten_seconds() {
        let mut p = Playout::default();
        p.set_rtt(at(0), ms(40));
        p.handle_loss(at(1000));
        assert_eq!(p.delay(at(1000)), (ms(60), ms(200)));
        p.set_rtt(at(2000), ms(10));
        p.handle_loss(at(5000));
        assert_eq!(p.delay(at(14_999)), (ms(60), ms(200)));
        assert_eq!(p.delay(at(15_000)), (ms(0), ms(0)));
        p.handle_loss(at(16_000));
        assert_eq!(p.delay(at(16_000)).0, ms(30));
    }

    #[test]
    fn a_queue_is_no_reason_to_wait_longer_but_a_longer_path_is() {
        let mut p = Playout::default();
        p.set_rtt(at(0), ms(10));
        (1..15).for_each(|s| p.set_rtt(at(s * 1000), ms(400)));
        p.handle_loss(at(15_000));
        assert_eq!(p.delay(at(15_000)).0, ms(30));
        (15..45).for_each(|s| p.set_rtt(at(s * 1000), ms(400)));
        p.handle_loss(at(45_000));
        assert_eq!(p.delay(at(45_000)).0, ms(420));
    }

    #[test]
    fn it_is_bounded() {
        let mut p = Playout::default();
        p.set_rtt(at(0), Duration::from_secs(60));
        p.handle_loss(at(0));
        assert_eq!(p.delay(at(0)).0, LONGEST);
    }
}
