//! Presentation times: RTP timestamps without their random beginning, their roll-over, and their
//! jumps.

use media::{
    Mono,
    time::{RtpUnroll, rescale},
};

const NANOS: u32 = 1_000_000_000;
/// Timestamps that gain this much on the time that passed have jumped.
const MAX_AHEAD: i64 = 1_500_000_000;
/// Timestamps that run back further than any reordering of B-frames have jumped.
const MAX_BACK: i64 = 800_000_000;

/// Places timestamps on a line whose zero is that of this machine's monotonic clock.
///
/// Each track of a sender has a random beginning of its own, so the first frame is put at its time
/// of capture: then the tracks of one sender fit together. From there on the sender's own clock is
/// followed, until it jumps.
#[derive(Debug)]
pub(super) struct Timeline {
    clock_rate: u32,
    unroll: RtpUnroll,
    /// Ticks to add; `None` if the next frame begins anew.
    shift: Option<i64>,
    /// The newest frame's place and arrival.
    last: Option<(i64, Mono)>,
    pub(super) jumps: u64,
}

impl Timeline {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate, unroll: RtpUnroll::default(), shift: None, last: None, jumps: 0 }
    }

    /// The sender began anew: nothing is known of its timestamps any more.
    pub(super) fn restart(&mut self) {
        self.unroll = RtpUnroll::default();
        self.shift = None;
    }

    /// The place of a frame `ticks` behind `timestamp`, and whether there is a break before it.
    pub(super) fn place(
        &mut self,
        timestamp: u32,
        ticks: i64,
        captured: Mono,
        arrival: Mono,
    ) -> (i64, bool) {
        let source = self.unroll.unroll(timestamp) + ticks;
        let place =
            self.shift.map(|shift| source + shift).filter(|place| !self.jumped(*place, arrival));
        let broken = place.is_none() && self.last.is_some();
        let place = place.unwrap_or_else(|| self.begin_anew(source, captured, arrival));
        self.last = Some((place, arrival));
        (place, broken)
    }

    /// Moves this track, from the next frame on, by so many ticks.
    pub(super) fn move_by(&mut self, ticks: i64) {
        self.shift = self.shift.map(|shift| shift.saturating_add(ticks));
        self.last = self.last.map(|(place, at)| (place.saturating_add(ticks), at));
    }

    fn jumped(&self, place: i64, arrival: Mono) -> bool {
        let Some((last, at)) = self.last else { return false };
        let advance = rescale(place - last, self.clock_rate, NANOS);
        advance < -MAX_BACK || advance > arrival.signed_since(at).max(0) + MAX_AHEAD
    }

    fn begin_anew(&mut self, source: i64, captured: Mono, arrival: Mono) -> i64 {
        self.jumps += u64::from(self.shift.is_some());
        let place = match self.last {
            Some((last, at)) => {
                last + rescale(arrival.signed_since(at).max(0), NANOS, self.clock_rate).max(1)
            }
            None => rescale(
                i64::try_from(captured.as_nanos()).unwrap_or(i64::MAX),
                NANOS,
                self.clock_rate,
            ),
        };
        self.shift = Some(place - source);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    fn place(t: &mut Timeline, at: u64, timestamp: u32) -> (i64, bool) {
        t.place(timestamp, 0, ms(at), ms(at))
    }

    #[test]
    fn tracks_with_different_beginnings_and_clocks_fit_together() {
        let (mut video, mut audio) = (Timeline::new(90_000), Timeline::new(8000));
        assert_eq!(place(&mut video, 1000, 0xffff_0000), (90_000, false));
        assert_eq!(place(&mut audio, 1020, 5), (8160, false));
        assert_eq!(
            place(&mut video, 2000, 0xffff_0000u32.wrapping_add(90_000)),
            (180_000, false),
            "rolled over"
        );
    }

    #[test]
    fn jumps_are_mended_by_the_time_that_passed() {
        for jump in [3600 * 90_000, -3600 * 90_000] {
            let mut t = Timeline::new(90_000);
            place(&mut t, 1000, 1 << 30);
            let source = ((1i64 << 30) + jump) as u32;
            assert_eq!(place(&mut t, 1040, source), (93_600, true));
            assert_eq!(place(&mut t, 1080, source + 3600), (97_200, false));
            assert_eq!(t.jumps, 1);
        }
    }

    #[test]
    fn a_new_sender_goes_on_and_is_no_jump() {
        let mut t = Timeline::new(90_000);
        place(&mut t, 1000, 77);
        t.restart();
        assert_eq!(place(&mut t, 3000, 4_000_000_000), (270_000, true));
        assert_eq!(t.jumps, 0);
    }

    #[test]
    fn bursts_pauses_and_reordered_frames_are_none() {
        let mut t = Timeline::new(90_000);
        place(&mut t, 1000, 0);
        assert_eq!(place(&mut t, 31_000, 3600), (93_600, false));
        assert_eq!(place(&mut t, 61_000, 3600 + 30 * 90_000), (93_600 + 30 * 90_000, false));
        assert_eq!(place(&mut t, 61_001, 3600 + 30 * 90_000 - 9000), (84_600 + 30 * 90_000, false));
    }
}
