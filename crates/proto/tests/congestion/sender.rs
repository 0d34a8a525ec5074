//! A server with one viewer, as simple as it can be around the estimator and the gate.

use crate::link::Packet;
use media::Mono;
use proto::{
    congestion::{Estimator, Frame, Gate, Reason, Verdict},
    rtp::twcc,
};
use std::{collections::VecDeque, time::Duration};

const PAYLOAD: usize = 1200;
const FASTEST: f64 = 12.5e6;
const BURST: f64 = 96.0 * 1024.0;
/// While paced.
const SMALL_BURST: f64 = 3000.0;
const RESEND_AGE: i64 = 500_000;

/// What an encoder makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Video {
    pub(crate) bits_per_second: f64,
    pub(crate) fps: i64,
    pub(crate) gop: u64,
    /// A keyframe is this many times larger than the others.
    pub(crate) key_size: f64,
    /// Every second frame is needed by no other.
    pub(crate) disposable: bool,
}

pub(crate) const CAMERA: Video =
    Video { bits_per_second: 2.5e6, fps: 30, gop: 30, key_size: 8.0, disposable: false };

#[derive(Clone, Copy, Debug)]
struct Coded {
    captured: i64,
    bytes: usize,
    key: bool,
    disposable: bool,
    catching_up: bool,
}

struct Camera {
    video: Video,
    count: u64,
    /// The newest group of pictures.
    gop: Vec<Coded>,
    rng: fastrand::Rng,
}

impl Camera {
    fn step(&mut self, now: i64) -> Option<Coded> {
        let video = self.video;
        if now < self.count as i64 * 1_000_000 / video.fps {
            return None;
        }
        let at = self.count % video.gop;
        let unit = video.bits_per_second / 8.0 / video.fps as f64 * video.gop as f64
            / (video.gop as f64 - 1.0 + video.key_size);
        let size = unit * if at == 0 { video.key_size } else { 0.7 + 0.6 * self.rng.f64() };
        self.count += 1;
        let coded = Coded {
            captured: now,
            bytes: size as usize,
            key: at == 0,
            disposable: video.disposable && at % 2 == 1,
            catching_up: false,
        };
        if coded.key {
            self.gop.clear();
        }
        self.gop.push(coded);
        Some(coded)
    }
}

pub(crate) struct Sender {
    pub(crate) estimator: Estimator,
    pub(crate) gate: Gate,
    pub(crate) skipped: Vec<(i64, Reason)>,
    cameras: Vec<Camera>,
    pub(crate) on: usize,
    waiting: VecDeque<Coded>,
    packets: VecDeque<Packet>,
    sent: VecDeque<(i64, Packet)>,
    resends: VecDeque<Packet>,
    transport: u16,
    media: u64,
    frame: u64,
    tokens: f64,
}

pub(crate) const fn mono(micros: i64) -> Mono {
    Mono::from_nanos(micros.cast_unsigned() * 1000 + 1_000_000_000_000)
}

impl Sender {
    pub(crate) fn new(videos: &[Video], seed: u64) -> Self {
        let camera = |video: &Video| Camera {
            video: *video,
            count: 0,
            gop: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
        };
        Self {
            estimator: Estimator::new(),
            gate: Gate::new(),
            skipped: Vec::new(),
            cameras: videos.iter().map(camera).collect(),
            on: 0,
            waiting: VecDeque::new(),
            packets: VecDeque::new(),
            sent: VecDeque::new(),
            resends: VecDeque::new(),
            transport: seed as u16,
            media: 0,
            frame: 0,
            tokens: BURST,
        }
    }

    /// Lets the cameras run, and moves to rendition `wanted` at a keyframe of its.
    pub(crate) fn film(&mut self, now: i64, joined: bool, wanted: usize) -> bool {
        let mut moved = false;
        for (i, camera) in self.cameras.iter_mut().enumerate() {
            let Some(coded) = camera.step(now) else { continue };
            if i == wanted && i != self.on && coded.key {
                self.on = i;
                self.waiting.clear();
                self.gate.restart();
                moved = true;
            }
            if joined && i == self.on {
                self.waiting.push_back(coded);
            }
        }
        moved
    }

    /// Begins at the newest keyframe.
    pub(crate) fn replay(&mut self) {
        self.waiting = self.cameras[self.on]
            .gop
            .iter()
            .map(|coded| Coded { catching_up: true, ..*coded })
            .collect();
        self.gate.restart();
    }

    pub(crate) fn handle_feedback(&mut self, now: i64, bytes: &[u8]) {
        twcc::feedbacks(bytes)
            .for_each(|feedback| self.estimator.handle_feedback(mono(now), &feedback));
        let backlog = self.cameras[self.on].gop.iter().map(|coded| coded.bytes).sum();
        if self.gate.worth_replay(mono(now), &self.estimator, backlog) {
            self.replay();
        }
    }

    pub(crate) fn handle_nack(&mut self, now: i64, media: u64) {
        let young = self.sent.iter().filter(|(at, _)| now - at < RESEND_AGE);
        let found = young.map(|(_, packet)| *packet).find(|packet| packet.media == media);
        if let Some(packet) = found.filter(|_| !self.resends.iter().any(|p| p.media == media)) {
            self.resends.push_back(packet);
        }
    }

    /// What leaves within this step.
    pub(crate) fn step(&mut self, now: i64, step: i64) -> Vec<Packet> {
        let pace = self.estimator.pace(mono(now)).map(|rate| rate as f64 / 8.0);
        let burst = if pace.is_some() { SMALL_BURST } else { BURST };
        self.tokens = (self.tokens + pace.unwrap_or(FASTEST) * step as f64 / 1e6).min(burst);
        let mut out = Vec::new();
        while self.tokens > 0.0 {
            let Some(packet) = self.next(now) else { break };
            self.tokens -= packet.bytes as f64;
            self.estimator.on_sent(mono(now), packet.transport, packet.bytes);
            out.push(packet);
        }
        out
    }

    fn next(&mut self, now: i64) -> Option<Packet> {
        let mut packet = if let Some(resend) = self.resends.pop_front() {
            resend
        } else {
            while self.packets.is_empty() {
                let coded = self.waiting.pop_front()?;
                self.decide(now, coded);
            }
            let packet = self.packets.pop_front()?;
            self.sent.push_back((now, packet));
            if self.sent.len() > 1000 {
                self.sent.pop_front();
            }
            packet
        };
        self.transport = self.transport.wrapping_add(1);
        packet.transport = self.transport;
        Some(packet)
    }

    fn decide(&mut self, now: i64, coded: Coded) {
        let frame = Frame {
            bytes: coded.bytes,
            key: coded.key,
            disposable: coded.disposable,
            age: Duration::from_micros((now - coded.captured).cast_unsigned()),
            catching_up: coded.catching_up,
        };
        match self.gate.decide(mono(now), &self.estimator, &frame) {
            Verdict::Skip(reason) => self.skipped.push((now, reason)),
            Verdict::Send => self.cut(&coded),
        }
    }

    fn cut(&mut self, coded: &Coded) {
        let of = coded.bytes.div_ceil(PAYLOAD);
        for _ in 0..of {
            let (media, frame, bytes) = (self.media, self.frame, coded.bytes / of);
            let (key, captured) = (coded.key, coded.captured);
            self.packets.push_back(Packet { transport: 0, media, frame, of, key, captured, bytes });
            self.media += 1;
        }
        self.frame += 1;
    }
}
