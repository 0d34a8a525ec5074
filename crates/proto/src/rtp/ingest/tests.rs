//! A publisher in virtual time, on a link that loses and delays.

use super::*;
use crate::rtp::{
    ExtensionIds, Extensions, Header, TRANSPORT_SEQUENCE,
    feedback::{Feedback, read},
    rtcp::{SenderReport, write_sender_report},
    twcc, write_packet, write_repair,
};
use media::{CaptureClock, Codec, Wall};
use std::collections::{BTreeMap, VecDeque};

const MS: Duration = Duration::from_millis(1);
const VIDEO: u8 = 96;
const RTX: u8 = 97;
const SEQUENCE: u8 = 3;
const SSRC: u32 = 77;
const FRAME: u64 = 33;
/// Packets of a frame, and of a keyframe.
const PACKETS: u16 = 4;

/// Parameter sets of a real encoder (320x240, baseline).
const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0x95, 0xa0, 0x50, 0x7c, 0x40];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

fn lane() -> Lane {
    Lane {
        format: Format::new(VIDEO, 90_000, Codec::H264(None)),
        rtx: Some(RTX),
        nack: true,
        pli: true,
    }
}

/// Both ends, and what is between them.
struct Lab {
    now: Mono,
    ingest: Ingest,
    rng: fastrand::Rng,
    loss: f64,
    delay: Duration,
    up: VecDeque<(Mono, Vec<u8>)>,
    down: VecDeque<(Mono, Vec<u8>)>,
    /// Sent payloads by number.
    sent: BTreeMap<u16, (u32, bool, Vec<u8>)>,
    sequence: u16,
    transport: u16,
    repairs: u16,
    frames: u64,
    key_wanted: bool,
    keys: Vec<u64>,
    /// Units received: presentation time and key.
    units: Vec<(i64, bool, bool)>,
    lost_told: usize,
    reports: usize,
}

impl Lab {
    fn new(seed: u64, loss: f64, rtt: Duration) -> Self {
        let now = Mono::from_nanos(50_000_000_000);
        let numbers = Numbers { transport_sequence: Some(SEQUENCE), capture_time: None };
        let mut ingest = Ingest::new(now, vec![lane()], numbers, 1, "me");
        ingest.set_rtt(rtt);
        let rng = fastrand::Rng::with_seed(seed);
        Self {
            now,
            ingest,
            rng,
            loss,
            delay: rtt / 2,
            up: VecDeque::new(),
            down: VecDeque::new(),
            sent: BTreeMap::new(),
            sequence: 65_500,
            transport: 65_000,
            repairs: 9,
            frames: 0,
            key_wanted: true,
            keys: Vec::new(),
            units: Vec::new(),
            lost_told: 0,
            reports: 0,
        }
    }

    fn clocks(&self) -> ClockPair {
        ClockPair {
            mono: self.now,
            wall: Wall::from_micros(1_700_000_000_000_000 + self.now.as_nanos() as i64 / 1000),
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut next_frame = self.now;
        while self.now < end {
            if self.now >= next_frame {
                self.send_frame();
                next_frame = next_frame + MS * FRAME as u32;
            }
            self.deliver();
            self.now = self.now + MS;
        }
    }

    fn send_frame(&mut self) {
        let key = std::mem::take(&mut self.key_wanted);
        if key {
            self.keys.push(self.frames);
            let sets = [&[24, 0, SPS.len() as u8][..], SPS, &[0, PPS.len() as u8], PPS].concat();
            self.send(sets, false);
        }
        for part in 0..PACKETS {
            // A slice in four fragments (FU-A); its first bits say that it begins a picture.
            let (start, end) = (part == 0, part == PACKETS - 1);
            let ty = if key { 5 } else { 1 };
            let head = [28 | 0x60, u8::from(start) << 7 | u8::from(end) << 6 | ty];
            self.send([&head[..], &[0x88; 900]].concat(), end);
        }
        self.frames += 1;
    }

    fn send(&mut self, payload: Vec<u8>, marker: bool) {
        let timestamp = (self.frames * FRAME * 90) as u32;
        self.sent.insert(self.sequence, (timestamp, marker, payload));
        let (number, mut out) = (self.sequence, Vec::new());
        let header =
            Header { payload_type: VIDEO, marker, sequence: number, timestamp, ssrc: SSRC };
        let (ids, extensions) = self.stamp();
        write_packet(&mut out, header, &ids, &extensions, &[&self.sent[&number].2]);
        self.sequence = number.wrapping_add(1);
        self.post(out);
    }

    fn send_again(&mut self, number: u16) {
        let Some((timestamp, marker, payload)) = self.sent.get(&number).cloned() else { return };
        let (ids, extensions) = self.stamp();
        let header =
            Header { payload_type: RTX, marker, sequence: self.repairs, timestamp, ssrc: SSRC + 1 };
        self.repairs = self.repairs.wrapping_add(1);
        let mut out = Vec::new();
        write_repair(&mut out, header, number, &ids, &extensions, &[&payload]);
        self.post(out);
    }

    fn stamp(&mut self) -> (ExtensionIds, Extensions) {
        let mut ids = ExtensionIds::default();
        ids.learn(SEQUENCE, TRANSPORT_SEQUENCE);
        let transport_sequence = Some(self.transport);
        self.transport = self.transport.wrapping_add(1);
        (ids, Extensions { transport_sequence, ..Extensions::default() })
    }

    fn post(&mut self, packet: Vec<u8>) {
        if self.rng.f64() >= self.loss {
            self.up.push_back((self.now + self.delay, packet));
        }
    }

    fn deliver(&mut self) {
        let (now, clocks) = (self.now, self.clocks());
        while self.up.front().is_some_and(|(at, _)| *at <= now) {
            let (_, packet) = self.up.pop_front().unwrap();
            self.ingest.handle_rtp(&clocks, &packet);
        }
        self.ingest.handle_timeout(now);
        while let Some((_, received)) = self.ingest.poll(now) {
            if let Received::Unit(unit) = received {
                self.units.push((unit.pts, unit.key, unit.discontinuity));
            }
        }
        while let Some(feedback) = self.ingest.poll_feedback(now) {
            if self.rng.f64() >= self.loss {
                self.down.push_back((now + self.delay, feedback));
            }
        }
        while self.down.front().is_some_and(|(at, _)| *at <= now) {
            let (_, feedback) = self.down.pop_front().unwrap();
            self.hear(&feedback);
        }
    }

    fn hear(&mut self, feedback: &[u8]) {
        for said in read(feedback) {
            match said {
                Feedback::Nack(nack) => nack.lost().for_each(|number| self.send_again(number)),
                Feedback::PictureLoss { media } => {
                    assert_eq!(media, SSRC);
                    self.key_wanted = true;
                }
                Feedback::TransportWide(packet) => {
                    let told = twcc::Feedback::parse(packet).unwrap();
                    self.lost_told += told.packets().filter(|p| p.arrival.is_none()).count();
                }
                Feedback::Report { block, .. } => {
                    assert_eq!(block.ssrc, SSRC);
                    self.reports += 1;
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_clean_link_needs_a_keyframe_every_two_seconds_and_nothing_else() {
    let mut lab = Lab::new(1, 0.0, 20 * MS);
    lab.run(20_000 * MS);
    assert!(lab.units.len() as u64 >= lab.frames - 2, "{} of {}", lab.units.len(), lab.frames);
    assert_eq!(lab.ingest.asked().packets, 0);
    assert!((9..=11).contains(&lab.keys.len()), "{:?}", lab.keys);
    assert!(
        lab.units[0].1 && lab.lost_told == 0 && (18..=20).contains(&lab.reports),
        "{} {}",
        lab.lost_told,
        lab.reports
    );
}

#[test]
fn packets_that_are_lost_come_again() {
    for (loss, rtt) in [(0.03, 4), (0.03, 40), (0.03, 100), (0.1, 40)] {
        let mut lab = Lab::new(7, loss, rtt * MS);
        lab.run(60_000 * MS);
        let share = lab.units.len() as f64 / lab.frames as f64;
        let asked = lab.ingest.asked();
        assert!(
            share > if loss < 0.05 { 0.995 } else { 0.97 },
            "{loss} {rtt} ms: {share} {asked:?}"
        );
        assert!(asked.repaired > 100 && lab.lost_told > 100, "{asked:?}");
    }
}

#[test]
fn without_repairs_a_keyframe_is_asked_for_within_a_moment() {
    let mut lab = Lab::new(3, 0.0, 20 * MS);
    lab.run(1000 * MS);
    let keys = lab.keys.len();
    lab.sent.clear();
    lab.loss = 1.0;
    lab.run(200 * MS);
    lab.loss = 0.0;
    lab.sent.clear();
    lab.run(400 * MS);
    assert_eq!(lab.keys.len(), keys + 1, "the loss is mended by a keyframe, and by one only");
    let newest: Vec<_> = lab.units.iter().rev().take(3).collect();
    assert!(newest.iter().all(|(_, _, discontinuity)| !discontinuity));
}

#[test]
fn a_reader_who_needs_a_keyframe_gets_one() {
    let mut lab = Lab::new(3, 0.0, 20 * MS);
    lab.run(1000 * MS);
    let before = lab.units.len();
    lab.ingest.want_keyframe();
    lab.run(100 * MS);
    assert!(lab.units[before..].iter().any(|(_, key, _)| *key));
}

#[test]
fn reports_tell_when_frames_were_taken_each_track_by_its_own() {
    let mut lab = Lab::new(3, 0.0, Duration::ZERO);
    lab.run(100 * MS);
    let clocks = lab.clocks();
    let report = |ssrc, ago: i64, timestamp| {
        let ntp = Wall::from_micros(clocks.wall.as_micros() - ago).to_ntp();
        write_sender_report(&SenderReport { ssrc, ntp, timestamp, packets: 1, octets: 1 }, "x")
    };
    let next = (lab.frames * FRAME * 90) as u32;
    // Another track's report behind it must not be taken for this one's.
    let compound = [report(SSRC, 30_000, next), report(5, 9_000_000, next)].concat();
    lab.ingest.handle_rtcp(&clocks, &compound);
    lab.send_frame();
    let (_, packet) = lab.up.pop_front().unwrap();
    lab.ingest.handle_rtp(&clocks, &packet);
    lab.up.drain(..).for_each(|(_, packet)| lab.ingest.handle_rtp(&clocks, &packet));
    let Some((0, Received::Unit(unit))) = lab.ingest.poll(lab.now) else { panic!("a frame") };
    assert_eq!(unit.timing.captured.clock, CaptureClock::SenderReport);
    assert!((29_000_000..31_000_000).contains(&clocks.mono.signed_since(unit.timing.captured.at)));
}

#[test]
fn garbage_is_ignored() {
    let mut lab = Lab::new(3, 0.0, Duration::ZERO);
    let clocks = lab.clocks();
    for len in 0..200 {
        let bytes: Vec<u8> = (0..len).map(|_| lab.rng.u8(..)).collect();
        lab.ingest.handle_rtp(&clocks, &bytes);
        lab.ingest.handle_rtcp(&clocks, &bytes);
    }
    assert!(lab.ingest.poll(lab.now).is_none());
}
