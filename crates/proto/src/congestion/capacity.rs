//! The rate of the narrowest part of the way, from how it spreads packets that were sent close
//! together.

/// A packet delayed by less than this, in microseconds, is not taken to have queued: schedulers do
/// as much.
const QUEUED: i64 = 10_000;
/// Packets sent further apart than this, in microseconds, are of different frames, and say little
/// about each other.
const TOGETHER: i64 = 15_000;
/// What a limit may let through at once after a pause: so many microseconds of its rate, within
/// these bytes. More than that, beyond its rate, shows that it is gone.
const BUCKET: f64 = 200_000.0;
const LEAST_BUCKET: f64 = 8_192.0;
const MOST_BUCKET: f64 = 32_768.0;
/// A queue of this many microseconds that never empties and grows by [`STANDING_GROWTH`] within
/// [`STANDING_SPAN`] shows a limit even if nothing else does, because frames are single packets.
const STANDING: i64 = 40_000;
const STANDING_GROWTH: i64 = 25_000;
const STANDING_SPAN: i64 = 150_000;
/// Seconds of traffic after which it is sure that nothing else does.
const NOTHING_ELSE: f64 = 0.3;
/// Time at the limit, in microseconds, over which the estimate averages.
const MEMORY: f64 = 300_000.0;
/// What an estimate that has begun to fade weighs against a new one, in microseconds.
const STALE: f64 = 15_000.0;
/// Time at the limit before there is an estimate.
const ENOUGH: f64 = 10_000.0;
/// A limit that did not show for this many seconds while packets were sent begins to fade, by
/// [`FADING`] a second.
const UNSEEN: f64 = 1.0;
const FADING: f64 = 1.6;
/// Bytes a microsecond from which on a limit is none: 100 Mbit/s.
const FORGOTTEN: f64 = 12.5;
/// Bytes a microsecond that every link carries.
const SLOWEST: f64 = 4e-3;

/// A packet that arrived; times and delays in microseconds, of the sender's and the receiver's
/// clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) number: u64,
    pub(super) sent: i64,
    pub(super) received: i64,
    pub(super) queued: i64,
    pub(super) bytes: u16,
}

impl Arrival {
    /// True if it waited behind `last`: the time between their arrivals is what it took to get
    /// through. If one between them is lost, it is unknown whether it got through as well.
    const fn waited_behind(&self, last: &Self) -> bool {
        let gap = self.sent - last.sent;
        last.queued >= QUEUED
            && gap <= last.queued
            && gap <= TOGETHER
            && self.number == last.number + 1
    }
}

/// A time during which the queue never emptied.
#[derive(Clone, Copy, Debug)]
struct Standing {
    first: Arrival,
    bytes: u32,
}

/// What the link carries, as far as it was ever reached.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Capacity {
    /// Bytes that came through at the limit, and the microseconds it took them.
    bytes: f64,
    micros: f64,
    /// Seconds of traffic since the limit was last seen.
    unseen: f64,
    /// Bytes by which packets that did not queue went beyond the estimate.
    beyond: f64,
    /// The estimate in bytes a microsecond, as of the last [`Capacity::settle`].
    known: Option<f64>,
    standing: Option<Standing>,
    last: Option<Arrival>,
}

impl Capacity {
    /// Bytes a second; `None` if no limit is known.
    pub(super) fn rate(&self) -> Option<f64> {
        self.known.map(|known| known * 1e6)
    }

    /// How sure it is that the limit is gone, from 0 to 1.
    pub(super) fn doubt(&self) -> f64 {
        (self.beyond / self.bucket()).min(1.0)
    }

    /// Takes a packet, later than those before. [`Capacity::settle`] is due behind the last of a
    /// message.
    pub(super) fn handle_arrival(&mut self, next: Arrival) {
        if let Some(last) = self.last.replace(next) {
            let (bytes, micros) = (f64::from(next.bytes), (next.received - last.received) as f64);
            self.challenge(&last, &next);
            self.handle_standing(&last, next);
            if next.waited_behind(&last) {
                self.add_limit(bytes, micros);
            } else if self.beyond >= self.bucket() && next.sent - last.sent <= TOGETHER {
                self.add_room(bytes, micros);
            }
        }
    }

    /// `bytes` took `micros` because the link carries no more.
    pub(super) fn add_limit(&mut self, bytes: f64, micros: f64) {
        if self.unseen > UNSEEN {
            self.weigh(STALE);
        }
        self.unseen = 0.0;
        self.bytes += bytes;
        self.micros += micros;
    }

    /// Draws conclusions; traffic flowed for `seconds` since the last time.
    pub(super) fn settle(&mut self, seconds: f64) {
        self.weigh(MEMORY);
        self.unseen += seconds;
        if self.unseen > UNSEEN {
            self.bytes *= FADING.powf(seconds);
        }
        if self.bytes > FORGOTTEN * self.micros {
            (self.bytes, self.micros) = (0.0, 0.0);
        }
        self.known = (self.micros >= ENOUGH).then(|| (self.bytes / self.micros).max(SLOWEST));
    }

    fn bucket(&self) -> f64 {
        self.known.map_or(MOST_BUCKET, |known| (known * BUCKET).clamp(LEAST_BUCKET, MOST_BUCKET))
    }

    /// `bytes` took `micros` because they were not sent faster: what is known is no limit, if it is
    /// less.
    fn add_room(&mut self, bytes: f64, micros: f64) {
        if bytes * self.micros > self.bytes * micros {
            self.bytes += bytes;
            self.micros += micros;
        }
    }

    /// Makes what is known weigh no more than `most` microseconds of it.
    fn weigh(&mut self, most: f64) {
        if self.micros > most {
            self.bytes *= most / self.micros;
            self.micros = most;
        }
    }

    /// Measures by how much the link was given more than it is thought to carry, and did not mind.
    fn challenge(&mut self, last: &Arrival, next: &Arrival) {
        let passed = (next.sent - last.sent).max(0) as f64;
        let carried = self.known.map_or(f64::INFINITY, |known| passed * known);
        self.beyond = (self.beyond - carried).max(0.0) + f64::from(next.bytes);
        if next.queued >= QUEUED {
            self.beyond = 0.0;
        }
    }

    fn handle_standing(&mut self, last: &Arrival, next: Arrival) {
        let stands = next.queued >= STANDING && next.sent - last.sent < last.queued;
        let Some(standing) = self.standing.as_mut().filter(|_| stands) else {
            self.standing = (next.queued >= STANDING).then_some(Standing { first: next, bytes: 0 });
            return;
        };
        standing.bytes += u32::from(next.bytes);
        let Standing { first, bytes } = *standing;
        if next.received - first.received >= STANDING_SPAN {
            self.standing = Some(Standing { first: next, bytes: 0 });
            let unknown = self.micros < ENOUGH || self.unseen > NOTHING_ELSE;
            if unknown && next.queued - first.queued >= STANDING_GROWTH {
                self.add_limit(f64::from(bytes), (next.received - first.received) as f64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends groups of `packets` of 1 kB each, one every 33 ms, `pace` µs apart, over a link that
    /// takes `each` µs a packet and holds back what comes while `paused`.
    fn estimate(packets: i64, pace: i64, each: i64, paused: impl Fn(i64) -> i64) -> Option<f64> {
        let mut capacity = Capacity::default();
        let mut free = 0;
        for frame in 0..20 {
            for i in 0..packets {
                let sent = frame * 33_000 + i * pace;
                let ready = free.max(sent) + each;
                free = ready + paused(ready);
                let number = (frame * packets + i).cast_unsigned();
                let queued = free - sent - each;
                capacity.handle_arrival(Arrival {
                    number,
                    sent,
                    received: free + 777,
                    queued,
                    bytes: 1000,
                });
            }
            capacity.settle(0.033);
        }
        capacity.rate()
    }

    fn never(_: i64) -> i64 {
        0
    }

    #[test]
    fn the_dispersion_of_frames_tells_the_rate() {
        let rate = estimate(10, 0, 5000, never).unwrap();
        assert!((195e3..205e3).contains(&rate), "{rate}");
        let paced = estimate(10, 4000, 5000, never).unwrap();
        assert!((195e3..205e3).contains(&paced), "{paced}");
    }

    #[test]
    fn frames_of_one_packet_tell_it_by_their_queue() {
        let rate = estimate(1, 0, 40_000, never).unwrap();
        assert!((23e3..27e3).contains(&rate), "{rate}");
    }

    #[test]
    fn a_fast_link_and_one_that_pauses_have_no_limit() {
        assert_eq!(estimate(10, 0, 100, never), None);
        let pauses = |at: i64| if at % 110_000 < 300 { 45_000 } else { 0 };
        assert!(estimate(10, 0, 100, pauses).is_none_or(|rate| rate > 1e6));
    }

    #[test]
    fn a_limit_that_is_gone_is_forgotten() {
        let mut capacity = Capacity::default();
        capacity.add_limit(20_000.0, 100_000.0);
        capacity.settle(0.1);
        assert_eq!(capacity.rate(), Some(200e3));
        capacity.add_room(10_000.0, 100_000.0);
        capacity.settle(0.1);
        assert_eq!(capacity.rate(), Some(200e3), "less proves nothing");
        capacity.add_room(40_000.0, 100_000.0);
        capacity.settle(0.1);
        assert_eq!(capacity.rate(), Some(300e3));
        (0..300).for_each(|_| capacity.settle(0.1));
        assert_eq!(capacity.rate(), None);
    }
}
