//! When viewers want to be woken: a timer wheel, because a thousand timers that nearly always wait
//! are looked at often.
//!
//! Each slot is a ring of links through the timers themselves, so a timer is in one place at most,
//! moving it costs the same however many there are, and nothing is allocated but when a viewer
//! joins.

use media::Mono;

/// Names whose timer it is.
pub type WakeId = u64;

/// What a slot covers.
const TICK_NS: u64 = 1_000_000;
/// Slots, a power of two: timers further away than about a second are put into the last one and
/// looked at again.
const SLOTS: usize = 1024;
const TURN: u64 = SLOTS as u64;

/// A viewer's timer in a [`TimerWheel`]. Give it back by [`TimerWheel::remove`].
#[derive(PartialEq, Eq, Debug)]
pub struct Timer(usize);

/// Wake-ups to come, at most one a timer.
pub struct TimerWheel {
    /// The slots' ends first, then the timers.
    nodes: Vec<Node>,
    /// Nodes of timers that were removed.
    free: Vec<usize>,
    /// Slots that are not empty, a bit each.
    used: [u64; SLOTS / 64],
    /// The first tick that has not been looked at.
    tick: u64,
}

/// A link of a ring; alone, it links to itself.
struct Node {
    id: WakeId,
    before: usize,
    after: usize,
    /// The tick it waits for; `None` if it waits for nothing.
    due: Option<u64>,
}

impl TimerWheel {
    /// An empty wheel.
    pub fn new(now: Mono) -> Self {
        let nodes = (0..SLOTS).map(|slot| Node::new(0, slot)).collect();
        Self { nodes, free: Vec::new(), used: [0; SLOTS / 64], tick: tick(now) }
    }

    /// A timer for `id`, which waits for nothing yet.
    pub fn add(&mut self, id: WakeId) -> Timer {
        match self.free.pop() {
            Some(at) => {
                self.nodes[at] = Node::new(id, at);
                Timer(at)
            }
            None => {
                let at = self.nodes.len();
                self.nodes.push(Node::new(id, at));
                Timer(at)
            }
        }
    }

    /// Forgets a timer.
    pub fn remove(&mut self, timer: Timer) {
        self.unlink(timer.0);
        self.free.push(timer.0);
    }

    /// Lets the viewer be woken at `at` or up to a tick later; or earlier, if that is far away or
    /// an earlier wake-up was planned: whoever is woken looks at its own deadline, and moving a
    /// timer back each time would be in vain most times.
    #[inline]
    pub fn schedule(&mut self, timer: &Timer, at: Mono) {
        let tick = at.as_nanos().div_ceil(TICK_NS).clamp(self.tick, self.tick + TURN - 1);
        if self.nodes[timer.0].due.is_none_or(|due| tick < due) {
            self.unlink(timer.0);
            self.link(timer.0, tick);
        }
    }

    /// Appends to `due` who is to be woken by now. Their timers wait for nothing then.
    #[inline]
    pub fn expire(&mut self, now: Mono, due: &mut Vec<WakeId>) {
        let end = tick(now) + 1;
        // After a longer pause than a turn every slot is due, once.
        for tick in self.tick..end.min(self.tick + TURN) {
            let slot = slot(tick);
            while self.nodes[slot].after != slot {
                let first = self.nodes[slot].after;
                self.unlink(first);
                due.push(self.nodes[first].id);
            }
        }
        self.tick = self.tick.max(end);
    }

    /// When [`TimerWheel::expire`] will find something, if nothing is added.
    #[inline]
    pub fn next(&self) -> Option<Mono> {
        let first = slot(self.tick);
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
                let bits = self.used[word] & mask;
                (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
            })
            .map(|slot| {
                Mono::from_nanos((self.tick + ((slot + SLOTS - first) % SLOTS) as u64) * TICK_NS)
            })
    }

    #[inline]
    fn link(&mut self, at: usize, tick: u64) {
        let slot = slot(tick);
        let last = self.nodes[slot].before;
        (self.nodes[at].before, self.nodes[at].after, self.nodes[at].due) =
            (last, slot, Some(tick));
        self.nodes[last].after = at;
        self.nodes[slot].before = at;
        self.used[slot / 64] |= 1 << (slot % 64);
    }

    #[inline]
    fn unlink(&mut self, at: usize) {
        let Node { before, after, .. } = self.nodes[at];
        self.nodes[before].after = after;
        self.nodes[after].before = before;
        (self.nodes[at].before, self.nodes[at].after) = (at, at);
        let due = self.nodes[at].due.take().map(slot);
        if let Some(slot) = due.filter(|slot| self.nodes[*slot].after == *slot) {
            self.used[slot / 64] &= !(1 << (slot % 64));
        }
    }
}

impl Node {
    fn new(id: WakeId, at: usize) -> Self {
        Self { id, before: at, after: at, due: None }
    }
}

#[inline]
fn tick(at: Mono) -> u64 {
    at.as_nanos() / TICK_NS
}

#[inline]
fn slot(tick: u64) -> usize {
    (tick % TURN) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocation_counter::measure;
    use proptest::prelude::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    /// Who is woken, and when the wheel said it would.
    fn wakes(wheel: &mut TimerWheel) -> Vec<(WakeId, Mono)> {
        let mut seen = Vec::new();
        while let Some(next) = wheel.next() {
            let mut due = Vec::new();
            wheel.expire(next, &mut due);
            assert!(!due.is_empty());
            seen.extend(due.into_iter().map(|id| (id, next)));
        }
        seen
    }

    #[test]
    fn wakes_in_order_and_far_timers_early() {
        let mut wheel = TimerWheel::new(at(10_000));
        assert_eq!(wheel.next(), None);
        for (id, ms) in [(1, 10_007), (2, 10_003), (3, 60_000), (4, 5)] {
            let timer = wheel.add(id);
            wheel.schedule(&timer, at(ms));
        }
        assert_eq!(
            wakes(&mut wheel),
            [(4, at(10_000)), (2, at(10_003)), (1, at(10_007)), (3, at(11_023))]
        );
    }

    #[test]
    fn a_timer_that_moves_leaves_nothing_behind() {
        let mut wheel = TimerWheel::new(at(0));
        let (a, b) = (wheel.add(1), wheel.add(2));
        for ms in [900, 500, 100, 30, 700] {
            wheel.schedule(&a, at(ms));
            wheel.schedule(&b, at(ms + 1));
        }
        assert_eq!(wakes(&mut wheel), [(1, at(30)), (2, at(31))]);
        wheel.schedule(&a, at(50));
        wheel.remove(a);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn viewers_that_come_and_go_take_no_more_room() {
        let mut wheel = TimerWheel::new(at(0));
        let (mut due, mut random) = (Vec::with_capacity(100), fastrand::Rng::with_seed(7));
        let mut timers: Vec<Timer> = (0..100).map(|id| wheel.add(id)).collect();
        wheel.free.reserve(100);
        let grown = measure(|| {
            for ms in 0..100_000 {
                let timer = timers.swap_remove(random.usize(..100));
                if random.u8(..) == 0 {
                    wheel.remove(timer);
                    timers.push(wheel.add(ms));
                } else {
                    wheel.schedule(&timer, at(ms + random.u64(..2000)));
                    timers.push(timer);
                }
                wheel.expire(at(ms), &mut due);
                assert!(due.len() <= 100);
                due.clear();
            }
        });
        assert_eq!((grown.count_total, wheel.nodes.len()), (0, SLOTS + 100));
    }

    proptest! {
        #[test]
        fn nobody_is_forgotten_nor_late(
            moves in prop::collection::vec((0u64..40, 0u64..3000), 1..100),
            steps in prop::collection::vec(1u64..2000, 1..20),
        ) {
            let mut wheel = TimerWheel::new(at(500));
            let timers: Vec<Timer> = (0..40).map(|id| wheel.add(id)).collect();
            let mut planned = std::collections::BTreeMap::new();
            for (id, ms) in moves {
                wheel.schedule(&timers[id as usize], at(500 + ms));
                let tick = at(500 + ms.min(TURN - 1));
                planned.entry(id).and_modify(|t: &mut Mono| *t = tick.min(*t)).or_insert(tick);
            }
            let (mut now, mut due) = (500, Vec::new());
            for step in steps {
                now += step;
                prop_assert_eq!(wheel.next(), planned.values().min().copied());
                wheel.expire(at(now), &mut due);
                for id in due.drain(..) {
                    prop_assert!(planned.remove(&id).is_some_and(|t| t <= at(now)), "{} is woken twice or early", id);
                }
                prop_assert!(planned.values().all(|t| *t > at(now)));
            }
        }
    }
}
