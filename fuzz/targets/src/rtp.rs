//! One incoming RTP track: packets of all kinds, reports and time in any order.

use crate::Input;
use bytes::Bytes;
use media::{
    Aac, AccessUnit, ClockPair, Codec, G711Law, MediaKind, Mono, TrackId, Wall, h264, h265,
};
use proto::{
    rtp::{
        Packet,
        receive::{Received, TrackReceiver, Transport},
        send::{MAX_PAYLOAD, TrackSender, TrackSetup},
    },
    sdp::{AuHeaders, Format},
};
use std::time::Duration;

const PAYLOAD_TYPE: u8 = 96;
const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xb2, 0x00, 0xa0, 0x0b, 0x74, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20,
    0x00, 0x00, 0x07, 0x91, 0xe3, 0x06, 0x49,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xc3, 0xcb, 0x22, 0xc0];

/// The first byte chooses the format (low three bits) and the transport (bit 3). Then come
/// operations, the low three bits of a byte each:
/// - 0 … 3 a packet in sequence. Bit 3: marker. Bit 4: two bytes by which the sequence number moves
///   instead of one. Bit 5: two bytes by which the timestamp moves, in units of 16 ticks; bit 6:
///   another SSRC. Then the payload behind one (0, 1) or two (2, 3) bytes of length.
/// - 4 anything on the RTP flow, 5 anything on the RTCP flow, behind two bytes of length
/// - 6 time passes, as many ms as the next byte says
/// - 7 a receiver report
///
/// # Panics
/// If a promise of [`TrackReceiver`] is broken, or a delivered unit does not survive being sent
/// again.
pub fn rtp(data: &[u8]) {
    let mut input = Input(data);
    let Some(head) = input.byte() else { return };
    let format = format(head);
    let transport = if head & 8 == 0 { Transport::Unordered } else { Transport::Ordered };
    let mut track = Track {
        receiver: TrackReceiver::new(TrackId(0), &format, transport),
        format,
        now: Mono::from_nanos(50_000_000_000),
        sequence: 65_530,
        timestamp: 0xffff_8000,
        units: 0,
    };
    while let Some(op) = input.byte() {
        if track.operate(op, &mut input).is_none() {
            break;
        }
        track.check();
    }
    track.pass(Duration::from_secs(3600));
    track.check();
    assert_eq!(track.receiver.poll_timeout(), None, "something is waited for without end");
}

fn format(head: u8) -> Format {
    let codec = match head & 7 {
        0 | 5 => Codec::H264(None),
        1 => Codec::H265(None),
        2 => aac(&[0x12, 0x10]),
        6 => aac(&[0x2b, 0x11, 0x88, 0x00]),
        3 => Codec::Opus { channels: 2 },
        _ => Codec::G711 { law: G711Law::A, rate: 8000, channels: 1 + (head >> 4) },
    };
    let rate = if codec.kind() == MediaKind::Video { 90_000 } else { 48_000 };
    let mut format = Format::new(PAYLOAD_TYPE, rate, codec);
    match head & 7 {
        5 => format.parameter_sets = vec![Bytes::from_static(SPS), Bytes::from_static(PPS)],
        6 => {
            format.au_headers =
                AuHeaders { size: 1 + (head >> 4), index: head >> 6, index_delta: head >> 5 }
        }
        _ => {}
    }
    format
}

fn aac(config: &'static [u8]) -> Codec {
    Codec::Aac(Aac { config: Bytes::from_static(config), rate: 48_000, channels: 2 })
}

struct Track {
    receiver: TrackReceiver,
    format: Format,
    now: Mono,
    sequence: u16,
    timestamp: u32,
    units: u64,
}

impl Track {
    fn operate(&mut self, op: u8, input: &mut Input<'_>) -> Option<()> {
        match op & 7 {
            0..=3 => self.packet(op, input)?,
            4 => self.receiver.handle_rtp(self.now, Bytes::copy_from_slice(input.long()?)),
            5 => {
                let clocks =
                    ClockPair { mono: self.now, wall: Wall::from_micros(1_700_000_000_000_000) };
                self.receiver.handle_rtcp(self.now, &clocks, input.long()?);
            }
            6 => self.pass(Duration::from_millis(input.byte()?.into())),
            _ => assert_eq!(self.receiver.receiver_report(self.now, 1, "fuzz").len() % 4, 0),
        }
        Some(())
    }

    fn packet(&mut self, op: u8, input: &mut Input<'_>) -> Option<()> {
        let step = if op & 16 == 0 { 1 } else { input.word()? };
        self.sequence = self.sequence.wrapping_add(step);
        if op & 32 != 0 {
            self.timestamp = self.timestamp.wrapping_add(u32::from(input.word()?) << 4);
        }
        let payload = if op & 2 == 0 { input.short()? } else { input.long()? };
        let packet = Packet {
            payload_type: PAYLOAD_TYPE,
            marker: op & 8 != 0,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: u32::from(op & 64),
            payload: Bytes::copy_from_slice(payload),
        };
        let bytes = packet.to_bytes();
        assert_eq!(Packet::parse(bytes.clone()).ok(), Some(packet));
        self.receiver.handle_rtp(self.now, bytes);
        Some(())
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.receiver.handle_timeout(self.now);
        assert!(
            self.receiver.poll_timeout().is_none_or(|due| due > self.now),
            "a timer is overdue"
        );
    }

    fn check(&mut self) {
        while let Some(received) = self.receiver.poll() {
            match received {
                Received::Codec(codec) => assert!(codec.video_params().is_some()),
                Received::Unit(unit) => self.check_unit(&unit),
            }
        }
        assert_eq!(self.receiver.stats().frames, self.units);
    }

    fn check_unit(&mut self, unit: &AccessUnit) {
        self.units += 1;
        assert!(!unit.payload.is_empty() && unit.payload.iter().all(|part| !part.is_empty()));
        assert!(
            unit.timing.captured.at <= unit.timing.received && unit.timing.received <= self.now
        );
        match self.format.codec {
            Codec::H264(_) => {
                assert!(
                    unit.payload
                        .iter()
                        .all(|n| ![h264::nal::AUD, h264::nal::FILLER].contains(&h264::nal_type(n)))
                );
                assert!(
                    !unit.key
                        || h264::is_key(&unit.payload) && h264::find_sets(&unit.payload).is_some()
                );
            }
            Codec::H265(_) => {
                assert!(unit.payload.iter().all(|n| h265::nal_type(n) != h265::nal::AUD));
                assert!(
                    !unit.key
                        || h265::is_key(&unit.payload) && h265::find_sets(&unit.payload).is_some()
                );
            }
            _ => assert!(unit.key && unit.payload.len() == 1),
        }
        self.check_resent(unit);
    }

    /// Sends the unit as this server would, and receives it again.
    fn check_resent(&self, unit: &AccessUnit) {
        let setup = TrackSetup {
            ssrc: 1,
            payload_type: PAYLOAD_TYPE,
            clock_rate: self.format.clock_rate,
            first_sequence: 0,
            timestamp_offset: 0,
            cname: String::new(),
        };
        let mut format =
            Format::new(PAYLOAD_TYPE, self.format.clock_rate, self.format.codec.clone());
        format.parameter_sets = self.format.parameter_sets.clone();
        let mut again = TrackReceiver::new(TrackId(0), &format, Transport::Ordered);
        let mut sender = TrackSender::new(setup, self.format.codec.clone());
        for (head, fragment) in sender.packets(unit) {
            assert!(
                fragment.len() <= MAX_PAYLOAD || matches!(self.format.codec, Codec::Opus { .. })
            );
            again.handle_rtp(self.now, [&head, &fragment.head[..], &fragment.body].concat().into());
        }
        let received = std::iter::from_fn(|| again.poll()).find_map(|r| match r {
            Received::Unit(unit) => Some(unit),
            Received::Codec(_) => None,
        });
        assert_eq!(again.stats().malformed, 0);
        // A unit that begins in the middle of a picture (see the receiver's words on markers) is
        // not taken for a frame.
        if self.begins_picture(unit) {
            assert_eq!(received.as_ref().map(|u| &u.payload), Some(&unit.payload));
        }
    }

    fn begins_picture(&self, unit: &AccessUnit) -> bool {
        let first_slice = |is_slice: fn(&[u8]) -> bool| unit.payload.iter().find(|n| is_slice(n));
        let flagged = |nal: &Bytes, at: usize| nal.get(at).is_some_and(|b| b & 0x80 != 0);
        match self.format.codec {
            Codec::H264(_) => first_slice(|n| (1..=5).contains(&h264::nal_type(n)))
                .is_some_and(|n| ![3, 4].contains(&h264::nal_type(n)) && flagged(n, 1)),
            Codec::H265(_) => {
                first_slice(|n| h265::nal_type(n) < 32).is_some_and(|n| flagged(n, 2))
            }
            _ => true,
        }
    }
}
