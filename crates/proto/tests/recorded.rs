//! Packets as ffmpeg really sends them, recorded by `data/record.py`, become the frames that went
//! into ffmpeg.

use bytes::Bytes;
use media::{
    AccessUnit, CaptureClock, ClockPair, Codec, Mono, TrackId, Wall, bits::split_annex_b, h264,
    h265, time::rescale,
};
use proto::{
    rtp::{
        receive::{Received, Stats, TrackReceiver, Transport},
        rtcp,
    },
    sdp,
};
use std::time::Duration;

struct Recording {
    sdp: &'static [u8],
    packets: &'static [u8],
}

macro_rules! recording {
    ($name:literal) => {
        Recording {
            sdp: include_bytes!(concat!("data/", $name, ".sdp")),
            packets: include_bytes!(concat!("data/", $name, ".packets")),
        }
    };
}

struct Recorded {
    is_rtcp: bool,
    at: Mono,
    bytes: Bytes,
}

/// Our monotonic clock when the first packet came.
const BEGIN: Mono = Mono::from_nanos(100_000_000_000);

const AHEAD_MICROS: i64 = 100_000;

impl Recording {
    fn packets(&self) -> Vec<Recorded> {
        let (mut rest, mut out) = (self.packets, Vec::new());
        while let Some((head, tail)) = rest.split_at_checked(7) {
            let micros = u32::from_be_bytes(head[1..5].try_into().expect("four bytes"));
            let (bytes, tail) = tail.split_at(u16::from_be_bytes([head[5], head[6]]).into());
            let at = BEGIN + Duration::from_micros(micros.into());
            out.push(Recorded { is_rtcp: head[0] == 1, at, bytes: Bytes::from_static(bytes) });
            rest = tail;
        }
        out
    }

    /// Our clocks when the first report came. They are ahead of the sender's: ffmpeg reading a file
    /// sends each frame some 30 ms before it is due by its own reports, which would be a time of
    /// capture in the future.
    fn clocks(&self) -> ClockPair {
        let packets = self.packets();
        let report = packets
            .iter()
            .filter(|p| p.is_rtcp)
            .find_map(|p| Some((p.at, rtcp::sender_reports(&p.bytes).next()?)));
        let (mono, report) = report.expect("ffmpeg sends reports");
        ClockPair { mono, wall: Wall::from_micros(report.wall().as_micros() + AHEAD_MICROS) }
    }

    fn play(&self, transport: Transport) -> Played {
        let media = sdp::parse_announce(self.sdp).expect("ffmpeg's SDP");
        let format = media[0].format.as_ref().expect("a known codec");
        let mut receiver = TrackReceiver::new(TrackId(0), format, transport);
        let mut played = Played {
            described: format.codec.clone(),
            units: Vec::new(),
            codecs: Vec::new(),
            stats: Stats::default(),
        };
        for packet in self.packets() {
            match packet.is_rtcp {
                true => receiver.handle_rtcp(packet.at, &self.clocks(), &packet.bytes),
                false => receiver.handle_rtp(packet.at, packet.bytes),
            }
            while let Some(received) = receiver.poll() {
                match received {
                    Received::Unit(unit) => played.units.push(unit),
                    Received::Codec(codec) => played.codecs.push(codec),
                }
            }
        }
        played.stats = receiver.stats();
        played
    }
}

struct Played {
    described: Codec,
    units: Vec<AccessUnit>,
    codecs: Vec<Codec>,
    stats: Stats,
}

impl Played {
    fn assert_clean(&self) {
        let s = self.stats;
        let bad = [
            s.lost,
            s.reordered,
            s.late,
            s.duplicates,
            s.malformed,
            s.foreign,
            s.restarts,
            s.jumps,
            s.frames_dropped,
        ];
        assert_eq!(bad, [0; 9], "{s:?}");
        assert_eq!(s.frames, self.units.len() as u64);
        assert!(self.codecs.is_empty(), "the description told everything");
        assert!(self.units.iter().all(|u| !u.discontinuity));
    }

    /// Distances of presentation times, in ms.
    fn steps(&self, rate: u32) -> Vec<i64> {
        self.units.windows(2).map(|w| rescale(w[1].pts - w[0].pts, rate, 1000)).collect()
    }

    /// Every frame was taken a while before it came, by the sender's word.
    fn assert_capture_times(&self) {
        for unit in &self.units {
            let age = unit.timing.received.since(unit.timing.captured.at);
            assert_eq!(unit.timing.captured.clock, CaptureClock::SenderReport);
            assert!((50..150).contains(&age.as_millis()), "{age:?}");
        }
    }
}

/// NAL units of an elementary stream without those that are not to come through.
fn coded(stream: &'static [u8], is_filler: fn(&[u8]) -> bool) -> Vec<Bytes> {
    split_annex_b(&Bytes::from_static(stream)).filter(|unit| !is_filler(unit)).collect()
}

/// The units of all frames without the parameter sets, which the receiver may have added.
fn without_sets(units: impl IntoIterator<Item = Bytes>, is_set: fn(&[u8]) -> bool) -> Vec<Bytes> {
    units.into_iter().filter(|unit| !is_set(unit)).collect()
}

/// Says which unit differs rather than what all of them are.
fn assert_same(got: Vec<Bytes>, expected: Vec<Bytes>) {
    let shape = |units: &[Bytes]| units.iter().map(|u| (u[0], u.len())).collect::<Vec<_>>();
    assert_eq!(shape(&got), shape(&expected));
    assert!(
        got == expected,
        "first difference in unit {:?}",
        got.iter().zip(&expected).position(|(a, b)| a != b)
    );
}

fn h264_set(unit: &[u8]) -> bool {
    [h264::nal::SPS, h264::nal::PPS].contains(&h264::nal_type(unit))
}

fn h265_set(unit: &[u8]) -> bool {
    (h265::nal::VPS..=h265::nal::PPS).contains(&h265::nal_type(unit))
}

#[test]
fn h264_in_two_slices_a_frame() {
    for transport in [Transport::Ordered, Transport::Unordered] {
        let played = recording!("h264").play(transport);
        played.assert_clean();
        played.assert_capture_times();
        assert_eq!(
            (played.units.len(), played.described.video_params().map(|p| (p.width, p.height))),
            (30, Some((320, 180)))
        );
        assert!(played.steps(90_000).iter().all(|ms| *ms == 40), "{:?}", played.steps(90_000));
        let keys: Vec<_> = (0..30).filter(|i| played.units[*i].key).collect();
        assert_eq!(keys, [0, 12, 24]);
        for key in keys {
            assert!(
                h264::find_sets(&played.units[key].payload).is_some(),
                "a keyframe brings its parameter sets"
            );
        }
        let expected =
            coded(include_bytes!("data/h264.coded"), |u| h264::nal_type(u) == h264::nal::AUD);
        let got = played.units.into_iter().flat_map(|u| u.payload);
        assert_same(without_sets(got, h264_set), without_sets(expected, h264_set));
    }
}

#[test]
fn h265_with_delimiters() {
    let played = recording!("h265").play(Transport::Unordered);
    played.assert_clean();
    assert_eq!(
        (played.units.len(), played.described.video_params().map(|p| (p.width, p.height))),
        (30, Some((320, 180)))
    );
    assert_eq!((0..30).filter(|i| played.units[*i].key).collect::<Vec<_>>(), [0, 12, 24]);
    for key in [0, 12, 24] {
        assert!(h265::find_sets(&played.units[key].payload).is_some());
    }
    let stream = include_bytes!("data/h265.coded");
    assert!(
        split_annex_b(&Bytes::from_static(stream)).any(|u| h265::nal_type(&u) == h265::nal::AUD)
    );
    let expected = coded(stream, |u| h265::nal_type(u) == h265::nal::AUD);
    let got = played.units.into_iter().flat_map(|u| u.payload);
    assert_same(without_sets(got, h265_set), without_sets(expected, h265_set));
}

#[test]
fn sound() {
    for (recording, rate, step) in
        [(recording!("aac"), 48_000, 1024), (recording!("opus"), 48_000, 960)]
    {
        let played = recording.play(Transport::Unordered);
        played.assert_clean();
        // Of AAC, ffmpeg keeps the last few frames to itself.
        assert!(played.units.len() >= 25, "{}", played.units.len());
        let steps: Vec<_> = played.units.windows(2).map(|w| w[1].pts - w[0].pts).collect();
        // Where ffmpeg trims the encoder's delay, the first step may be shorter.
        assert!(steps[1..].iter().all(|s| *s == step), "{rate}: {steps:?}");
        assert!(played.units.iter().all(|u| u.key && u.payload.len() == 1));
    }
}

#[test]
fn g711_is_continuous() {
    let played = recording!("pcmu").play(Transport::Unordered);
    played.assert_clean();
    let mut next = played.units[0].pts;
    for unit in &played.units {
        assert_eq!(unit.pts, next);
        next += unit.size() as i64;
    }
    assert_eq!(next - played.units[0].pts, 4800, "0.6 s at 8 kHz");
}
