//! A WebRTC publisher: packets of two tracks, repairs and reports in any order, and time.

use crate::Input;
use media::{ClockPair, Codec, Mono, Wall};
use proto::{
    rtp::{
        ExtensionIds, Extensions, Header, TRANSPORT_SEQUENCE,
        feedback::read,
        ingest::{Ingest, Lane, Numbers},
        receive::Received,
        rtcp::{SenderReport, write_sender_report},
        write_packet, write_repair,
    },
    sdp::Format,
};
use std::time::Duration;

const VIDEO: u8 = 96;
const AUDIO: u8 = 111;
const RTX: u8 = 97;
const CAPTURE: u8 = 2;
const SEQUENCE: u8 = 3;
/// What is told in answer to one operation, at most: one message about each kind of thing, and of
/// arrivals a few.
const MOST_FEEDBACK: usize = 200;

/// Operations, the low three bits of a byte each:
/// - 0, 1 a packet of the picture in sequence, 2 of the sound. Bit 3: marker. Bit 4: two bytes by
///   which the sequence number moves instead of one. Bit 5: two bytes by which the timestamp moves;
///   bit 6: another source. Bit 7: two bytes by which the number among all packets moves. Then the
///   payload behind one byte of length
/// - 3 a repair: two bytes say of which number, then the payload behind one byte of length
/// - 4 anything on the RTP flow, 5 anything on the RTCP flow, behind two bytes of length
/// - 6 time passes, as many ms as the next byte says. Bit 3: a round trip of as many ms is known
/// - 7 a keyframe is wanted. Bit 3: a report of the sender
///
/// # Panics
/// If a promise of [`Ingest`] is broken: it would tell without end, or be overdue for ever.
pub fn ingest(data: &[u8]) {
    let now = Mono::from_nanos(50_000_000_000);
    let lane = |payload_type, rate, codec| Lane {
        format: Format::new(payload_type, rate, codec),
        rtx: (payload_type == VIDEO).then_some(RTX),
        nack: payload_type == VIDEO,
        pli: true,
    };
    let lanes = vec![
        lane(VIDEO, 90_000, Codec::H264(None)),
        lane(AUDIO, 48_000, Codec::Opus { channels: 2 }),
    ];
    let numbers = Numbers { transport_sequence: Some(SEQUENCE), capture_time: Some(CAPTURE) };
    let mut publisher = Publisher {
        ingest: Ingest::new(now, lanes, numbers, 1, "fuzz"),
        now,
        tracks: [(65_500, 0), (9, 7)],
        among_all: 65_000,
    };
    let mut input = Input(data);
    while let Some(op) = input.byte() {
        if publisher.operate(op, &mut input).is_none() {
            break;
        }
        publisher.settle();
    }
    publisher.pass(Duration::from_secs(3600));
    publisher.settle();
}

struct Publisher {
    ingest: Ingest,
    now: Mono,
    /// Sequence number and timestamp.
    tracks: [(u16, u32); 2],
    among_all: u16,
}

impl Publisher {
    fn operate(&mut self, op: u8, input: &mut Input<'_>) -> Option<()> {
        let clocks = self.clocks();
        match op & 7 {
            0..=2 => self.packet(op, input)?,
            3 => {
                let (of, payload) = (input.word()?, input.short()?);
                let header = Header {
                    payload_type: RTX,
                    marker: true,
                    sequence: of,
                    timestamp: self.tracks[0].1,
                    ssrc: 99,
                };
                let mut out = Vec::new();
                write_repair(&mut out, header, of, &ids(), &Extensions::default(), &[payload]);
                self.ingest.handle_rtp(&clocks, &out);
            }
            4 => self.ingest.handle_rtp(&clocks, input.long()?),
            5 => self.ingest.handle_rtcp(&clocks, input.long()?),
            6 => {
                let time = Duration::from_millis(input.byte()?.into());
                if op & 8 != 0 {
                    self.ingest.set_rtt(time);
                }
                self.pass(time);
            }
            _ if op & 8 != 0 => {
                let report = SenderReport {
                    ssrc: 5,
                    ntp: clocks.wall.to_ntp(),
                    timestamp: self.tracks[0].1,
                    packets: 1,
                    octets: 1,
                };
                self.ingest.handle_rtcp(&clocks, &write_sender_report(&report, "fuzz"));
            }
            _ => self.ingest.want_keyframe(),
        }
        Some(())
    }

    fn packet(&mut self, op: u8, input: &mut Input<'_>) -> Option<()> {
        let sound = op & 7 == 2;
        let (sequence, timestamp) = &mut self.tracks[usize::from(sound)];
        *sequence = sequence.wrapping_add(if op & 16 == 0 { 1 } else { input.word()? });
        if op & 32 != 0 {
            *timestamp = timestamp.wrapping_add(input.word()?.into());
        }
        let header = Header {
            payload_type: if sound { AUDIO } else { VIDEO },
            marker: op & 8 != 0,
            sequence: *sequence,
            timestamp: *timestamp,
            ssrc: 5 + u32::from(sound) + u32::from(op & 64),
        };
        self.among_all =
            self.among_all.wrapping_add(if op & 128 == 0 { 1 } else { input.word()? });
        let extensions = Extensions {
            transport_sequence: Some(self.among_all),
            capture_time: Some(self.clocks().wall),
            ..Extensions::default()
        };
        let mut out = Vec::new();
        write_packet(&mut out, header, &ids(), &extensions, &[input.short()?]);
        self.ingest.handle_rtp(&self.clocks(), &out);
        Some(())
    }

    fn clocks(&self) -> ClockPair {
        ClockPair { mono: self.now, wall: Wall::from_micros(1_700_000_000_000_000) }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.ingest.handle_timeout(self.now);
    }

    /// Takes all that is to be taken; then nothing is due.
    fn settle(&mut self) {
        while let Some((track, received)) = self.ingest.poll(self.now) {
            assert!(track < 2);
            if let Received::Unit(unit) = received {
                assert!(!unit.payload.is_empty() && usize::from(unit.track.0) == track);
            }
        }
        let told =
            std::iter::from_fn(|| self.ingest.poll_feedback(self.now)).take(MOST_FEEDBACK + 1);
        let told = told.map(|feedback| {
            assert_eq!(feedback.len() % 4, 0);
            read(&feedback).count()
        });
        assert!(told.count() <= MOST_FEEDBACK, "it is told without end");
        assert!(self.ingest.deadline() > self.now, "something is overdue for ever");
    }
}

fn ids() -> ExtensionIds {
    let mut ids = ExtensionIds::default();
    ids.learn(SEQUENCE, TRANSPORT_SEQUENCE);
    ids.learn(CAPTURE, proto::rtp::CAPTURE_TIME);
    ids
}
