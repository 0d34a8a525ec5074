//! When to ask for a keyframe.

use media::Mono;
use std::time::Duration;

/// A request that has led to nothing is repeated after this time: a request may be lost, and some
/// encoders take their time.
const AGAIN: Duration = Duration::from_millis(400);
/// Browsers make a keyframe when they are asked for one and never else. One every two seconds costs
/// about a tenth of the bitrate; for it viewers who come begin with little to catch up on, HLS gets
/// segments of two seconds, and no error stays. A little more than that, so that encoders that have
/// this very rhythm are not asked.
const EVERY: Duration = Duration::from_millis(2100);

/// What is known of a sender's keyframes, and who wants one.
#[derive(Debug)]
pub(super) struct Keyframes {
    /// Of the newest one, or the beginning.
    last: Mono,
    seen: bool,
    asked: Option<Mono>,
    wanted: bool,
}

impl Keyframes {
    pub(super) fn new(now: Mono) -> Self {
        Self { last: now, seen: false, asked: None, wanted: false }
    }

    /// A reader needs one.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// One came.
    pub(super) fn note(&mut self, now: Mono) {
        *self = Self { last: now, seen: true, asked: None, wanted: false };
    }

    /// When to ask next; `broken` if what comes now cannot be decoded without one.
    pub(super) fn due_at(&self, broken: bool) -> Mono {
        let since = if self.wanted || broken || !self.seen { self.last } else { self.last + EVERY };
        self.asked.map_or(since, |asked| since.max(asked + AGAIN))
    }

    /// True if it is time to ask; then it is taken for done.
    pub(super) fn ask(&mut self, now: Mono, broken: bool) -> bool {
        let due = self.due_at(broken) <= now;
        self.asked = if due { Some(now) } else { self.asked };
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    /// The times at which it asks, from `from` to `to` ms.
    fn asked(keyframes: &mut Keyframes, from: u64, to: u64, broken: bool) -> Vec<u64> {
        (from..to).filter(|now| keyframes.ask(ms(*now), broken)).collect()
    }

    #[test]
    fn every_two_seconds_and_again_if_nothing_comes() {
        let mut keyframes = Keyframes::new(ms(0));
        assert_eq!(asked(&mut keyframes, 0, 900, false), [0, 400, 800], "there is none yet");
        keyframes.note(ms(1000));
        assert_eq!(asked(&mut keyframes, 1000, 3600, false), [3100, 3500]);
        for own in (4000..20_000).step_by(2000) {
            keyframes.note(ms(own));
            assert!(
                asked(&mut keyframes, own, own + 2000, false).is_empty(),
                "the sender has its own rhythm"
            );
        }
    }

    #[test]
    fn at_once_when_it_is_needed_but_not_more_often_than_it_helps() {
        let mut keyframes = Keyframes::new(ms(0));
        keyframes.note(ms(1000));
        keyframes.want();
        assert_eq!(asked(&mut keyframes, 1100, 1700, false), [1100, 1500]);
        keyframes.note(ms(1700));
        assert_eq!(asked(&mut keyframes, 1700, 2000, true), [1700], "a loss");
        keyframes.note(ms(2000));
        assert!(asked(&mut keyframes, 2000, 3000, false).is_empty(), "it was served");
    }
}
