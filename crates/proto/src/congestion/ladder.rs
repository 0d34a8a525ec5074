//! Which of several renditions a viewer is on.

use media::Mono;
use std::time::Duration;

/// Share of what the link carries that a rendition may need: going down, and going up.
const FITS_DOWN: f64 = 0.9;
const FITS_UP: f64 = 0.8;
/// Frames must have been left out for this long before a viewer is moved down; what passes sooner
/// is the gate's business.
const DOWN_AFTER: Duration = Duration::from_millis(300);
/// After a move another one downwards waits for this long: what is on its way is of the rendition
/// before.
const SETTLE: Duration = Duration::from_secs(2);
/// The room for a better rendition must have been there for this long; twice as long after each
/// attempt that failed, up to [`MAX_HOLD`]. A rendition that needs little cannot prove that there
/// is room for one that needs much: the attempt is the proof.
const HOLD: Duration = Duration::from_secs(4);
const MAX_HOLD: Duration = Duration::from_secs(120);
/// A move up that lasted this long has not failed.
const PROVEN: Duration = Duration::from_secs(15);

/// What is known of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Condition {
    /// What it carries in bit/s, `None` if no limit is known ([`super::Estimator::estimate`]).
    pub carries: Option<u64>,
    /// Frames are being left out because of it ([`super::Gate::is_skipping`]).
    pub skipping: bool,
}

impl Condition {
    fn fits(&self, needs: u64, share: f64) -> bool {
        self.carries.is_none_or(|carries| needs as f64 <= carries as f64 * share)
    }
}

/// The choice for one viewer between renditions, which are positions in a list from the best to the
/// thinnest.
///
/// A move takes place at a keyframe of its target, which may be seconds away: [`Ladder::update`]
/// tells where the viewer should be, [`Ladder::handle_moved`] is told that it is there.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    current: usize,
    wanted: usize,
    moved: Mono,
    /// Since when the current one has been too much.
    skipping_since: Option<Mono>,
    /// Since when a better one would have fit.
    room_since: Option<Mono>,
    /// The last move was one upwards, and is not proven.
    on_trial: bool,
    hold: Duration,
}

impl Ladder {
    /// Of a viewer on rendition `current`.
    pub const fn new(now: Mono, current: usize) -> Self {
        let (skipping_since, room_since) = (None, None);
        Self {
            current,
            wanted: current,
            moved: now,
            skipping_since,
            room_since,
            on_trial: false,
            hold: HOLD,
        }
    }

    /// The rendition the viewer is on.
    pub const fn current(&self) -> usize {
        self.current
    }

    /// Which rendition the viewer should be on, given what each needs in bit/s; `None` for one that
    /// cannot be had now. To be asked several times a second.
    pub fn update(&mut self, now: Mono, condition: Condition, needs: &[Option<u64>]) -> usize {
        self.observe(now, condition, needs);
        let due = |since: Option<Mono>, wait| since.is_some_and(|since| now.since(since) >= wait);
        if self.wanted < self.current && condition.skipping {
            self.wanted = self.current;
        }
        if due(self.skipping_since, DOWN_AFTER)
            && now.since(self.moved) >= SETTLE.min(DOWN_AFTER + self.settling())
        {
            self.wanted = self.lower(condition, needs);
        } else if due(self.room_since, self.hold) && self.wanted == self.current {
            self.wanted = self.higher(condition, needs).unwrap_or(self.current);
        }
        self.wanted
    }

    /// The viewer is on rendition `current` now.
    pub fn handle_moved(&mut self, now: Mono, current: usize) {
        let up = current < self.current;
        if !up && self.on_trial {
            self.hold = (self.hold * 2).min(MAX_HOLD);
        }
        *self = Self {
            current,
            wanted: current,
            moved: now,
            skipping_since: None,
            room_since: None,
            on_trial: up,
            hold: self.hold,
        };
    }

    /// A move up that was a mistake shows at once; after one down, the old queue has to go first.
    const fn settling(&self) -> Duration {
        if self.on_trial { Duration::ZERO } else { SETTLE }
    }

    fn observe(&mut self, now: Mono, condition: Condition, needs: &[Option<u64>]) {
        let keep = |since: Option<Mono>, holds: bool| holds.then(|| since.unwrap_or(now));
        self.skipping_since = keep(self.skipping_since, condition.skipping);
        self.room_since =
            keep(self.room_since, !condition.skipping && self.higher(condition, needs).is_some());
        if self.on_trial && now.since(self.moved) >= PROVEN {
            (self.on_trial, self.hold) = (false, HOLD);
        }
    }

    /// The best rendition below that fits, or the thinnest; the current one if there is none below.
    fn lower(&self, condition: Condition, needs: &[Option<u64>]) -> usize {
        let below = || {
            needs
                .iter()
                .enumerate()
                .skip(self.current + 1)
                .filter_map(|(at, needs)| Some((at, (*needs)?)))
        };
        let fitting = below().find(|(_, needs)| condition.fits(*needs, FITS_DOWN));
        fitting.or_else(|| below().next_back()).map_or(self.current, |(at, _)| at)
    }

    /// The best rendition above that fits.
    fn higher(&self, condition: Condition, needs: &[Option<u64>]) -> Option<usize> {
        let above = needs.iter().take(self.current);
        above
            .enumerate()
            .find(|(_, needs)| needs.is_some_and(|needs| condition.fits(needs, FITS_UP)))
            .map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: [Option<u64>; 3] = [Some(2_500_000), Some(1_200_000), Some(500_000)];

    /// Drives a ladder on a link that carries `carries(second)` and skips frames of what needs
    /// more; the moves as (second, to).
    fn moves(seconds: u64, carries: impl Fn(u64) -> Option<u64>) -> Vec<(u64, usize)> {
        let mut ladder = Ladder::new(Mono::default(), 0);
        let mut moves = Vec::new();
        for tick in 1..seconds * 10 {
            let (now, carries) = (Mono::from_nanos(tick * 100_000_000), carries(tick / 10));
            let skipping =
                carries.is_some_and(|carries| NEEDS[ladder.current()].unwrap() > carries);
            let wanted = ladder.update(now, Condition { carries, skipping }, &NEEDS);
            if tick % 10 == 0 && wanted != ladder.current() {
                ladder.handle_moved(now, wanted);
                moves.push((tick / 10, wanted));
            }
        }
        moves
    }

    #[test]
    fn down_to_what_fits_and_up_when_there_is_room() {
        let carries = |second| (10..40).contains(&second).then_some(1_400_000);
        assert_eq!(moves(100, carries), [(11, 1), (44, 0)]);
        let thin = |second| (10..40).contains(&second).then_some(200_000);
        assert_eq!(moves(100, thin), [(11, 2), (44, 0)]);
    }

    #[test]
    fn a_rendition_that_cannot_be_had_is_not_chosen() {
        let mut ladder = Ladder::new(Mono::default(), 0);
        let at = |ms: u64| Mono::from_nanos(ms * 1_000_000);
        let condition = Condition { carries: Some(1_400_000), skipping: true };
        for ms in (0..5000).step_by(100) {
            ladder.update(at(ms), condition, &[Some(2_500_000), None, Some(500_000)]);
        }
        assert_eq!(ladder.update(at(5000), condition, &[Some(2_500_000), None, Some(500_000)]), 2);
        ladder.handle_moved(at(5000), 2);
        assert_eq!(ladder.update(at(20_000), condition, &[None, None, Some(500_000)]), 2);
    }

    #[test]
    fn attempts_that_fail_become_rare() {
        let mut ladder = Ladder::new(Mono::default(), 0);
        let mut ups = Vec::new();
        for tick in 1..6000 {
            let now = Mono::from_nanos(tick * 100_000_000);
            // Only the best is too much, and nothing else shows it.
            let condition = Condition { carries: None, skipping: ladder.current() == 0 };
            let wanted = ladder.update(now, condition, &NEEDS);
            if wanted != ladder.current() {
                ups.extend((wanted == 0).then_some(tick / 10));
                ladder.handle_moved(now, wanted);
            }
        }
        assert!(ups.windows(2).all(|w| w[1] - w[0] >= 4) && ups.len() < 12, "{ups:?}");
        assert!(ups[ups.len() - 1] - ups[ups.len() - 2] >= 120, "{ups:?}");
    }
}
