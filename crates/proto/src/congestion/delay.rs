//! How long packets queue on their way, from two clocks that have nothing to do with each other.

use crate::rtp::twcc::TICK_MICROS;

/// The smallest delay is that of the last one to two of these. Clocks that differ by 100 ppm make 2
/// ms of it.
const WINDOW: i64 = 10_000_000;
/// Ticks of 250 µs after which the feedback's clock rolls over: 24 bits of 64 ms.
const ROLL_OVER: i64 = 1 << 32;

/// The receiver's clock, unrolled.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ReceiverClock {
    last: Option<i64>,
}

impl ReceiverClock {
    /// Microseconds of the receiver's clock at an arrival told in ticks: the time nearest to the
    /// last one.
    pub(super) fn micros(&mut self, ticks: i64) -> i64 {
        let last = self.last.unwrap_or(ticks);
        let step = (ticks - last + ROLL_OVER / 2).rem_euclid(ROLL_OVER) - ROLL_OVER / 2;
        self.last = Some(last + step);
        (last + step) * TICK_MICROS
    }
}

/// The smallest one-way delay of the last seconds: that of an empty link, and the difference of the
/// clocks.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct EmptyDelay {
    current: Option<(i64, i64)>,
    previous: Option<i64>,
}

impl EmptyDelay {
    /// Takes the delay of a packet sent `at`; tells by how much it is above the smallest. All in
    /// microseconds.
    pub(super) fn queued(&mut self, at: i64, delay: i64) -> i64 {
        let (since, smallest) = self.current.unwrap_or((at, delay));
        self.current = Some((since, smallest.min(delay)));
        if at - since >= WINDOW {
            self.previous = Some(smallest.min(delay));
            self.current = Some((at, delay));
        }
        delay - self.smallest(delay)
    }

    /// A packet was told of before it can have arrived: the receiver's clock was set, or stood
    /// still. Nothing from before counts.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    fn smallest(&self, delay: i64) -> i64 {
        let current = self.current.map_or(delay, |(_, smallest)| smallest);
        self.previous.map_or(current, |previous| previous.min(current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receivers_clock_rolls_over_and_steps_back() {
        let mut clock = ReceiverClock::default();
        assert_eq!(clock.micros(ROLL_OVER / 2 - 1), (ROLL_OVER / 2 - 1) * 250);
        assert_eq!(clock.micros(-ROLL_OVER / 2 + 3), (ROLL_OVER / 2 + 3) * 250);
        assert_eq!(clock.micros(ROLL_OVER / 2 - 5), (ROLL_OVER / 2 - 5) * 250);
    }

    #[test]
    fn the_queue_is_what_is_above_the_smallest_delay_of_the_last_seconds() {
        let mut empty = EmptyDelay::default();
        assert_eq!(empty.queued(0, 500), 0);
        assert_eq!(empty.queued(1, 900), 400);
        assert_eq!(empty.queued(2, -100), 0);
        assert_eq!(empty.queued(3, 0), 100);
        assert_eq!(empty.queued(WINDOW, 50), 150, "the smallest is remembered");
        assert_eq!(empty.queued(2 * WINDOW, 60), 10, "and forgotten");
    }
}
