//! When viewers want to be woken: a timer wheel, because a thousand timers that nearly always wait are looked at often.

use super::shard::ViewerId;
use media::Mono;

/// What a slot covers.
const TICK_NS: u64 = 1_000_000;
/// Slots, a power of two: timers further away than about a second are put into the last one and looked at again.
const SLOTS: u64 = 1024;

/// Wake-ups to come. One that is no longer wanted is not removed: whoever is woken looks at its own deadline.
pub(super) struct Wheel {
    slots: Vec<Vec<ViewerId>>,
    /// Slots that are not empty, a bit each.
    used: [u64; (SLOTS / 64) as usize],
    /// The first tick that has not been looked at.
    tick: u64,
}

impl Wheel {
    /// An empty wheel.
    pub(super) fn new(now: Mono) -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), used: [0; (SLOTS / 64) as usize], tick: tick(now) }
    }

    /// Lets `id` be woken at `at` or up to a tick later, or earlier if that is far away. Returns when.
    pub(super) fn schedule(&mut self, id: ViewerId, at: Mono) -> Mono {
        let tick = at.as_nanos().div_ceil(TICK_NS).clamp(self.tick, self.tick + SLOTS - 1);
        let slot = (tick % SLOTS) as usize;
        self.slots[slot].push(id);
        self.used[slot / 64] |= 1 << (slot % 64);
        Mono::from_nanos(tick * TICK_NS)
    }

    /// Moves to `due` who is to be woken by now.
    pub(super) fn expire(&mut self, now: Mono, due: &mut Vec<ViewerId>) {
        let end = tick(now) + 1;
        // After a longer pause than a turn every slot is due, once.
        for tick in self.tick..end.min(self.tick + SLOTS) {
            let slot = (tick % SLOTS) as usize;
            due.append(&mut self.slots[slot]);
            self.used[slot / 64] &= !(1 << (slot % 64));
        }
        self.tick = self.tick.max(end);
    }

    /// When [`Wheel::expire`] will find something, if nothing is added.
    pub(super) fn next(&self) -> Option<Mono> {
        let first = self.tick % SLOTS;
        let words = SLOTS / 64;
        // The first word is looked at twice: from its bit on, and at the end of the turn up to it.
        (0..=words)
            .find_map(|i| {
                let word = (first / 64 + i) % words;
                let mask = match i {
                    0 => u64::MAX << (first % 64),
                    _ if i == words => !(u64::MAX << (first % 64)),
                    _ => u64::MAX,
                };
                let bits = self.used[word as usize] & mask;
                (bits != 0).then(|| word * 64 + u64::from(bits.trailing_zeros()))
            })
            .map(|slot| Mono::from_nanos((self.tick + (slot + SLOTS - first) % SLOTS) * TICK_NS))
    }
}

fn tick(at: Mono) -> u64 {
    at.as_nanos() / TICK_NS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn wakes_in_order_and_far_timers_early() {
        let mut wheel = Wheel::new(at(10_000));
        assert_eq!(wheel.next(), None);
        wheel.schedule(1, at(10_007));
        wheel.schedule(2, at(10_003));
        let far = wheel.schedule(3, at(60_000));
        assert_eq!(far, at(11_023));
        assert_eq!(wheel.schedule(4, at(5)), at(10_000));
        let mut due = Vec::new();
        let mut seen = Vec::new();
        while let Some(next) = wheel.next() {
            wheel.expire(next, &mut due);
            seen.extend(due.drain(..).map(|id| (id, next)));
        }
        assert_eq!(seen, [(4, at(10_000)), (2, at(10_003)), (1, at(10_007)), (3, at(11_023))]);
    }

    proptest! {
        #[test]
        fn nobody_is_forgotten_nor_late(times in prop::collection::vec(0u64..3000, 1..100), steps in prop::collection::vec(1u64..2000, 1..20)) {
            let mut wheel = Wheel::new(at(500));
            let mut planned: Vec<Mono> = times.iter().enumerate().map(|(id, ms)| wheel.schedule(id as u64, at(500 + ms))).collect();
            let (mut now, mut due) = (500, Vec::new());
            for step in steps {
                now += step;
                let next = wheel.next();
                let first = planned.iter().filter(|t| **t != at(u64::MAX / 2_000_000)).min().copied();
                prop_assert_eq!(next, first);
                wheel.expire(at(now), &mut due);
                for id in due.drain(..) {
                    prop_assert!(planned[id as usize] <= at(now));
                    planned[id as usize] = at(u64::MAX / 2_000_000);
                }
                prop_assert!(planned.iter().all(|t| *t > at(now)));
            }
        }
    }
}
