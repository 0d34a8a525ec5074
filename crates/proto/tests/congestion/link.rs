//! A way through a network: a token bucket with a queue as of `tc tbf`, then delay, jitter and
//! random loss.

use std::collections::VecDeque;

/// Length of a step in microseconds.
pub(crate) const STEP: i64 = 250;

/// A packet on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) transport: u16,
    /// RTP sequence number, unrolled.
    pub(crate) media: u64,
    /// Position of its frame among those that were sent.
    pub(crate) frame: u64,
    /// Packets of the frame.
    pub(crate) of: usize,
    pub(crate) key: bool,
    pub(crate) captured: i64,
    pub(crate) bytes: usize,
}

/// What the network does to packets.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// Limit as (from, bit/s), in order; no limit before the first.
    pub(crate) rates: Vec<(i64, Option<f64>)>,
    /// Bytes that may pass at once after a pause.
    pub(crate) burst: f64,
    /// Bytes that may wait.
    pub(crate) queue: f64,
    /// One way, in microseconds.
    pub(crate) delay: i64,
    /// Share of packets lost at random, both ways.
    pub(crate) loss: f64,
    /// Everything waits for up to this long, several times a second: a radio with other things to
    /// do.
    pub(crate) stall: Option<(i64, i64)>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { rates: Vec::new(), burst: 16e3, queue: 75e3, delay: 500, loss: 0.0, stall: None }
    }
}

impl Conditions {
    /// A limit of `rate` bit/s from second `from` to second `to`.
    pub(crate) fn limited(rate: f64, from: i64, to: i64) -> Self {
        Self {
            rates: vec![(from * 1_000_000, Some(rate)), (to * 1_000_000, None)],
            ..Self::default()
        }
    }

    fn rate(&self, now: i64) -> Option<f64> {
        self.rates.iter().rev().find(|(from, _)| *from <= now).and_then(|(_, rate)| *rate)
    }
}

/// The way to the viewer.
pub(crate) struct Link {
    conditions: Conditions,
    rng: fastrand::Rng,
    tokens: f64,
    waiting: VecDeque<Packet>,
    waiting_bytes: f64,
    arriving: VecDeque<(i64, Packet)>,
    stalled_until: i64,
    next_stall: i64,
}

impl Link {
    pub(crate) fn new(conditions: Conditions, seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        let (waiting, arriving) = (VecDeque::new(), VecDeque::new());
        Self {
            conditions,
            rng,
            tokens: 0.0,
            waiting,
            waiting_bytes: 0.0,
            arriving,
            stalled_until: 0,
            next_stall: 0,
        }
    }

    pub(crate) fn send(&mut self, now: i64, packet: Packet) {
        let unlimited = self.conditions.rate(now).is_none();
        if unlimited
            || self.waiting_bytes + packet.bytes as f64 <= self.conditions.queue
            || self.waiting.is_empty()
        {
            self.waiting_bytes += packet.bytes as f64;
            self.waiting.push_back(packet);
        }
    }

    /// What arrives within this step.
    pub(crate) fn step(&mut self, now: i64) -> Vec<Packet> {
        self.drain(now);
        self.stall(now);
        let count = self.arriving.partition_point(|(at, _)| *at <= now);
        self.arriving.drain(..count).map(|(_, packet)| packet).collect()
    }

    fn drain(&mut self, now: i64) {
        let rate = self.conditions.rate(now).map_or(f64::INFINITY, |rate| rate / 8.0);
        self.tokens = (self.tokens + rate * STEP as f64 / 1e6).min(self.conditions.burst);
        while let Some(packet) = self
            .waiting
            .front()
            .copied()
            .filter(|p| rate.is_infinite() || p.bytes as f64 <= self.tokens)
        {
            self.waiting.pop_front();
            self.waiting_bytes -= packet.bytes as f64;
            self.tokens = (self.tokens - packet.bytes as f64).max(0.0);
            if self.rng.f64() >= self.conditions.loss {
                self.arriving.push_back((now + self.conditions.delay, packet));
            }
        }
    }

    fn stall(&mut self, now: i64) {
        let Some((least, most)) = self.conditions.stall else { return };
        if now >= self.next_stall {
            self.stalled_until = now + self.rng.i64(least..=most);
            self.next_stall = self.stalled_until + self.rng.i64(30_000..400_000);
        }
        for (at, _) in &mut self.arriving {
            if now < self.stalled_until {
                *at = (*at).max(self.stalled_until);
            }
        }
    }
}
