//! What is known of a viewer's link.

use super::{
    capacity::{Arrival, Capacity},
    delay::{EmptyDelay, ReceiverClock},
    history::History,
    loss::LossMeter,
    micros,
};
use crate::rtp::twcc::Feedback;
use media::Mono;
use std::time::Duration;

/// How much faster than a known limit is sent: enough for the limit to show, and for its end.
const PACE: f64 = 1.25;
/// But not while the queue is longer than this: some hold little more, and frames that wait here
/// can still be left out.
const SHORT: Duration = Duration::from_millis(40);
/// Doubt in a limit that is acted upon.
const LIKELY: f64 = 0.7;
/// Bytes that a new viewer gets at once before anything was heard, and how fast it goes on then, in
/// bytes a second.
const UNPROVEN: u64 = 192 * 1024;
const UNPROVEN_RATE: f64 = 1e6;
/// A browser that says nothing about what it is sent for this many of its usual intervals has
/// stopped, or its link has.
const SILENT_INTERVALS: i64 = 8;
/// But never before this, in microseconds of sending.
const SILENT: i64 = 700_000;
/// A pause in sending counts up to this long, in microseconds: if nothing is sent, nothing is said.
const MAX_GAP: i64 = 100_000;
/// Usual interval of feedback at the beginning, and the most that is believed, in microseconds.
const INTERVAL: i64 = 100_000;
const MAX_INTERVAL: i64 = 250_000;
/// By how much feedback may be ahead of what is possible before the clocks are taken to have been
/// set, in microseconds.
const TOLERANCE: i64 = 5_000;

/// The state of one viewer's link. It is told of every packet with a transport sequence number,
/// sound and repairs included, and of all feedback. Allocates only when it is made: about 8.5 KiB.
#[derive(Debug)]
pub struct Estimator {
    history: History,
    clock: ReceiverClock,
    empty: EmptyDelay,
    capacity: Capacity,
    loss: LossMeter,
    /// The newest packet that is known to have arrived.
    newest: Option<Newest>,
    /// What was sent last, in microseconds.
    sent_at: i64,
    /// Microseconds from then until all that was sent is through the narrowest part of the way.
    wait: f64,
    /// Microseconds a byte takes there, zero if there is no limit.
    each: f64,
    /// Microseconds of sending since something was heard.
    unheard: i64,
    heard: Option<i64>,
    interval: i64,
    delivered: u64,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    number: u64,
    sent: i64,
    received: i64,
    queued: i64,
}

impl Default for Estimator {
    fn default() -> Self {
        Self::new()
    }
}

impl Estimator {
    /// Of a link of which nothing is known.
    pub fn new() -> Self {
        Self {
            history: History::new(),
            clock: ReceiverClock::default(),
            empty: EmptyDelay::default(),
            capacity: Capacity::default(),
            loss: LossMeter::default(),
            newest: None,
            sent_at: 0,
            wait: 0.0,
            each: 0.0,
            unheard: 0,
            heard: None,
            interval: INTERVAL,
            delivered: 0,
        }
    }

    /// A packet is sent: its transport sequence number, and its bytes with all that the link
    /// carries of it.
    pub fn on_sent(&mut self, now: Mono, sequence: u16, bytes: usize) {
        let (now, bytes) = (micros(now), u16::try_from(bytes).unwrap_or(u16::MAX));
        self.history.handle_sent(now, sequence, bytes);
        self.unheard += (now - self.sent_at).clamp(0, MAX_GAP);
        self.queue_up(now, bytes);
    }

    /// The browser tells what arrived.
    pub fn handle_feedback(&mut self, now: Mono, feedback: &Feedback<'_>) {
        let now = micros(now);
        let before = self.delivered;
        for packet in feedback.packets() {
            match packet.arrival {
                Some(ticks) => self.handle_arrived(now, packet.sequence, ticks),
                None => self.handle_lost(now, packet.sequence),
            }
        }
        if self.newest.is_some_and(|newest| newest.queued > now - newest.sent + TOLERANCE) {
            self.handle_clock_set();
        }
        if let Some(policed) = self.loss.roll(now) {
            self.capacity.add_limit(policed.bytes as f64, policed.micros as f64);
        }
        self.handle_heard(now, self.delivered - before);
        self.predict(now);
    }

    /// What the link carries, in bit/s; `None` while no limit is known. The stream may be far below
    /// it.
    pub fn estimate(&self) -> Option<u64> {
        self.capacity.rate().map(|rate| (rate * 8.0) as u64)
    }

    /// How fast packets should leave now, in bit/s, repairs included; `None` if as fast as
    /// possible.
    pub fn pace(&self, now: Mono) -> Option<u64> {
        let unproven = self.heard.is_none() && self.history.in_flight() >= UNPROVEN;
        let factor = if self.queue(now) <= SHORT { PACE + self.capacity.doubt() } else { 1.0 };
        let rate = self
            .capacity
            .rate()
            .map(|rate| rate * factor)
            .or_else(|| unproven.then_some(UNPROVEN_RATE));
        rate.map(|rate| (rate * 8.0) as u64)
    }

    /// Time until all that was sent is through the narrowest part of the way.
    pub fn queue(&self, now: Mono) -> Duration {
        let left = self.wait - (micros(now) - self.sent_at) as f64;
        Duration::from_micros(left.max(0.0) as u64)
    }

    /// Time that `bytes` take to get through there.
    pub fn transit(&self, bytes: usize) -> Duration {
        Duration::from_micros((bytes as f64 * self.each) as u64)
    }

    /// How long the newest packet known to have arrived had queued.
    pub fn queued(&self) -> Duration {
        Duration::from_micros(self.newest.map_or(0, |newest| newest.queued.max(0).cast_unsigned()))
    }

    /// Bytes sent of which nothing is known yet.
    pub const fn in_flight(&self) -> u64 {
        self.history.in_flight()
    }

    /// Bytes known to have arrived since the beginning.
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Share of packets lost lately, 0 to 1, before repair.
    pub fn loss(&self) -> f32 {
        self.loss.share()
    }

    /// True if the browser used to tell what arrived and does not any more. One that never did is
    /// not silent.
    pub fn is_silent(&self) -> bool {
        self.heard.is_some() && self.unheard > SILENT.max(SILENT_INTERVALS * self.interval)
    }

    /// True if what was sent lately makes it likely that the limit is gone.
    pub(super) fn doubts_limit(&self) -> bool {
        self.capacity.doubt() >= LIKELY
    }

    fn handle_arrived(&mut self, now: i64, sequence: u16, ticks: i64) {
        let Some(sent) = self.history.handle_arrived(now, sequence) else { return };
        self.delivered += u64::from(sent.bytes);
        self.loss.handle_arrived(sent.at, sent.bytes, sent.was_lost);
        let received = self.clock.micros(ticks);
        if self.newest.is_some_and(|newest| sent.number <= newest.number) {
            return;
        }
        // One that was overtaken came no later than the one that overtook it, as far as queues go.
        let received = self.newest.map_or(received, |newest| received.max(newest.received));
        let queued = self.empty.queued(sent.at, received - sent.at);
        self.capacity.handle_arrival(Arrival {
            number: sent.number,
            sent: sent.at,
            received,
            queued,
            bytes: sent.bytes,
        });
        self.newest = Some(Newest { number: sent.number, sent: sent.at, received, queued });
    }

    fn handle_lost(&mut self, now: i64, sequence: u16) {
        if let Some(sent) = self.history.handle_lost(now, sequence) {
            self.loss.handle_lost(sent.at);
        }
    }

    /// What was concluded from the clocks is void.
    fn handle_clock_set(&mut self) {
        self.empty.restart();
        self.capacity = Capacity::default();
        if let Some(newest) = &mut self.newest {
            newest.queued = self.empty.queued(newest.sent, newest.received - newest.sent);
        }
    }

    fn handle_heard(&mut self, now: i64, bytes: u64) {
        let passed =
            self.heard.replace(now).map_or(0, |heard| (now - heard).clamp(0, MAX_INTERVAL));
        if passed > 0 {
            self.interval += (passed - self.interval) / 8;
        }
        // A trickle of sound shows no limit, however long.
        let busy = bytes as f64 * self.each * 2.0;
        self.capacity.settle(busy.min(passed as f64) / 1e6);
        self.each = self.capacity.rate().map_or(0.0, |rate| 1e6 / rate);
        self.unheard = 0;
    }

    /// Lets what is in flight queue up behind the newest packet whose queue is known.
    fn predict(&mut self, now: i64) {
        let Some(newest) = self.newest else { return };
        let (mut at, mut wait) = (newest.sent, newest.queued as f64);
        for (sent, bytes) in self.history.in_flight_behind(now, newest.number) {
            wait = (wait - (sent - at) as f64).max(0.0) + f64::from(bytes) * self.each;
            at = sent;
        }
        (self.sent_at, self.wait) = (at, wait);
    }

    fn queue_up(&mut self, now: i64, bytes: u16) {
        self.wait =
            (self.wait - (now - self.sent_at) as f64).max(0.0) + f64::from(bytes) * self.each;
        self.sent_at = now;
    }
}

#[cfg(test)]
mod tests;
