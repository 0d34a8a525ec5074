//! Loss: told to people, and the only sign of a link that drops what it does not carry instead of
//! queueing it.

/// Length of a window in microseconds. Two make up what is known.
const WINDOW: i64 = 500_000;
/// A gap between packets counts as sending time up to this long, in microseconds: a frame interval.
const MAX_GAP: i64 = 40_000;
/// Radio links lose a tenth, bad ones a fifth, at random. Two windows in a row with more than this
/// are a policer, or a link on which no picture survives anyhow.
const POLICED: f32 = 0.3;
/// Packets in a window from which its share of loss means something.
const SIGNIFICANT: u32 = 40;

#[derive(Clone, Copy, Default, Debug)]
struct Window {
    delivered: u32,
    lost: u32,
    bytes: u64,
    /// Microseconds in which packets were sent.
    active: i64,
}

impl Window {
    fn share(&self) -> f32 {
        self.lost as f32 / (self.lost + self.delivered).max(1) as f32
    }

    fn is_policed(&self) -> bool {
        self.delivered + self.lost >= SIGNIFICANT && self.share() > POLICED
    }
}

/// What came through while a link dropped so much that it must be at its limit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Policed {
    pub(super) bytes: u64,
    pub(super) micros: i64,
}

/// Counts what feedback tells of, by the time it was sent.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LossMeter {
    current: Window,
    previous: Window,
    since: i64,
    last: i64,
}

impl LossMeter {
    /// A packet sent `at` arrived.
    pub(super) fn handle_arrived(&mut self, at: i64, bytes: u16, was_lost: bool) {
        self.tick(at);
        self.current.delivered += 1;
        self.current.bytes += u64::from(bytes);
        if was_lost {
            self.current.lost = self.current.lost.saturating_sub(1);
        }
    }

    /// A packet sent `at` did not.
    pub(super) fn handle_lost(&mut self, at: i64) {
        self.tick(at);
        self.current.lost += 1;
    }

    /// Share of packets lost within the last half to whole second of sending.
    pub(super) fn share(&self) -> f32 {
        let (a, b) = (&self.current, &self.previous);
        Window { delivered: a.delivered + b.delivered, lost: a.lost + b.lost, ..*a }.share()
    }

    /// Ends a window that is over by now; what came through if its link drops what it does not
    /// carry.
    pub(super) fn roll(&mut self, now: i64) -> Option<Policed> {
        if now - self.since < WINDOW {
            return None;
        }
        let over = std::mem::take(&mut self.current);
        let policed = over.is_policed() && self.previous.is_policed() && over.active > 0;
        self.previous = over;
        self.since = now;
        policed.then_some(Policed { bytes: over.bytes, micros: over.active })
    }

    fn tick(&mut self, at: i64) {
        self.current.active += (at - self.last).clamp(0, MAX_GAP);
        self.last = self.last.max(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of loss told, and whether it ever was a policer's, when `lost` says which packets are
    /// lost.
    fn run(mut lost: impl FnMut(u64) -> bool) -> (f32, Option<Policed>) {
        let mut meter = LossMeter::default();
        let mut policed = None;
        for i in 0..3000u64 {
            let at = i as i64 * 4000;
            match lost(i) {
                true => meter.handle_lost(at),
                false => meter.handle_arrived(at, 1000, false),
            }
            policed = meter.roll(at).or(policed);
        }
        (meter.share(), policed)
    }

    #[test]
    fn a_fifth_lost_at_random_is_no_policer() {
        for seed in 0..20 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (share, policed) = run(|_| rng.f64() < 0.2);
            assert!(
                (0.1..0.3).contains(&share) && policed.is_none(),
                "seed {seed}: {share} {policed:?}"
            );
        }
    }

    #[test]
    fn a_policer_is_told_by_what_it_lets_through() {
        let (_, policed) = run(|i| i % 5 < 2);
        let Policed { bytes, micros } = policed.unwrap();
        let rate = bytes as f64 / micros as f64 * 1e6;
        assert!((140e3..160e3).contains(&rate), "{rate}");
    }
}
