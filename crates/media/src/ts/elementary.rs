//! One track on its way in: packets into frames.

use super::packet::TsPacket;
use crate::{
    Aac, AccessUnit, Codec, Mono, Payload, Timing, TrackId, aac::Adts, bits::split_annex_b, h264,
    h265, opus, time::rescale,
};
use bytes::Bytes;
use smallvec::smallvec;
use std::sync::Arc;

/// No frame of a real camera is larger.
const MAX_FRAME: usize = 8 << 20;
/// Ticks a second of all times in a transport stream.
const CLOCK: u32 = 90_000;
/// They roll over (§2.4.3.7).
const WRAP: i64 = 1 << 33;
/// A header up to its length, and its fixed part.
const PREFIX: usize = 6;
const HEAD: usize = 9;

/// The codec of a track, by the program map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ElementaryKind {
    H264,
    H265,
    Adts,
    Opus { channels: u8 },
}

/// By what the last frame was taken to be complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EndedBy {
    Nothing,
    Stuffing,
    Pause,
}

#[derive(Debug)]
pub(super) struct Elementary {
    pid: u16,
    kind: ElementaryKind,
    codec: Option<Codec>,
    counter: Option<u8>,
    /// The frame so far, headers included.
    bytes: Vec<u8>,
    open: bool,
    /// When its first packet came.
    began: Mono,
    ended_by: EndedBy,
    trusts_stuffing: bool,
    trusts_pauses: bool,
    /// The last time that was read, rolled out.
    last: Option<i64>,
    /// Something is missing before the next frame.
    gap: bool,
}

/// The times of a header.
struct PesTimes {
    pts: i64,
    dts: i64,
}

impl Elementary {
    pub(super) fn new(pid: u16, kind: ElementaryKind) -> Self {
        Self {
            pid,
            kind,
            codec: kind.codec(),
            counter: None,
            bytes: Vec::new(),
            open: false,
            began: Mono::default(),
            ended_by: EndedBy::Nothing,
            trusts_stuffing: true,
            trusts_pauses: true,
            last: None,
            gap: false,
        }
    }

    pub(super) fn pid(&self) -> u16 {
        self.pid
    }

    pub(super) fn kind(&self) -> ElementaryKind {
        self.kind
    }

    pub(super) fn codec(&self) -> Option<&Codec> {
        self.codec.as_ref()
    }

    /// Ticks a second of the frames' times: 90 000 for pictures, the sampling rate for sound.
    pub(super) fn timescale(&self) -> u32 {
        match &self.codec {
            Some(Codec::Aac(aac)) => aac.rate,
            Some(Codec::Opus { .. }) => opus::CLOCK,
            _ => CLOCK,
        }
    }

    /// A frame has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// How many packets are missing before this one; `None` if it is to be passed over: a
    /// repetition, or nothing but a clock.
    pub(super) fn count(&mut self, packet: &TsPacket<'_>) -> Option<u8> {
        if packet.payload.is_empty() {
            return None;
        }
        let before = self.counter.replace(packet.counter);
        let missing =
            before.map_or(0, |before| packet.counter.wrapping_sub(before).wrapping_sub(1) & 15);
        match missing {
            15 if !packet.jumps => None,
            _ if packet.jumps => Some(0),
            missing => Some(missing),
        }
    }

    /// Something is missing; true if that costs the frame at hand.
    pub(super) fn lose(&mut self) -> bool {
        self.gap = true;
        self.ended_by = EndedBy::Nothing;
        self.bytes.clear();
        std::mem::take(&mut self.open)
    }

    /// Adds a packet that came at `now`; true if the frame ends with it.
    ///
    /// # Errors
    /// If it does not fit in: what was begun is thrown away.
    pub(super) fn append(&mut self, now: Mono, packet: &TsPacket<'_>) -> Result<bool, ()> {
        if packet.start {
            self.bytes.clear();
            (self.open, self.began) = (true, now);
        } else if !self.open {
            return self.is_late();
        }
        self.ended_by = EndedBy::Nothing;
        if self.bytes.len() + packet.payload.len() > MAX_FRAME {
            self.lose();
            return Err(());
        }
        self.bytes.extend_from_slice(packet.payload);
        if let Some(length) = self.length() {
            return Ok(self.bytes.len() >= length);
        }
        let ends = packet.stuffed && self.trusts_stuffing && self.bytes.len() >= HEAD;
        if ends {
            self.ended_by = EndedBy::Stuffing;
        }
        Ok(ends)
    }

    /// More of a frame that was taken to be complete: what that was known by does not hold in this
    /// stream.
    fn is_late(&mut self) -> Result<bool, ()> {
        match std::mem::replace(&mut self.ended_by, EndedBy::Nothing) {
            EndedBy::Nothing => return Ok(false),
            EndedBy::Stuffing => self.trusts_stuffing = false,
            EndedBy::Pause => self.trusts_pauses = false,
        }
        self.gap = true;
        Err(())
    }

    /// Nothing more has come for a while; true if the frame is taken to be complete.
    pub(super) fn pause(&mut self) -> bool {
        let ends =
            self.open && self.trusts_pauses && self.length().is_none() && self.bytes.len() > HEAD;
        if ends {
            self.ended_by = EndedBy::Pause;
        }
        ends
    }

    /// Of the whole, if its header tells (§2.4.3.7): it may leave it open for pictures.
    fn length(&self) -> Option<usize> {
        told_length(&self.bytes)
    }

    /// Ends the frame; `None` if it makes no sense. There may be several, as of sound, or none, of
    /// which only parameters were new.
    pub(super) fn take(&mut self, now: Mono) -> Option<Vec<AccessUnit>> {
        self.open = false;
        let mut bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let length = told_length(&bytes).unwrap_or(bytes.len());
        let whole = bytes.len() >= length;
        bytes.truncate(length);
        let frame = if whole { self.frame(&bytes) } else { None };
        let units = frame.and_then(|(times, content)| self.units(now, &times, &content));
        let Some(mut units) = units else {
            self.gap = true;
            return None;
        };
        if let Some(first) = units.first_mut() {
            first.discontinuity = std::mem::take(&mut self.gap);
        }
        Some(units)
    }

    /// Times and content.
    fn frame(&mut self, bytes: &Bytes) -> Option<(PesTimes, Bytes)> {
        let head = bytes.get(..HEAD).filter(|head| head[..3] == [0, 0, 1] && head[6] >> 6 == 2)?;
        let content = HEAD + usize::from(head[8]);
        let optional = bytes.get(HEAD..content)?;
        let pts = (head[7] & 0x80 != 0).then(|| time(optional.get(..5)?)).flatten();
        let dts = (head[7] & 0x40 != 0).then(|| time(optional.get(5..10)?)).flatten();
        let pts = match pts {
            Some(pts) => self.unroll(pts),
            None => self.last?,
        };
        let dts = dts.map_or(pts, |dts| pts - (pts - dts).rem_euclid(WRAP));
        // A decode time that is far from the presentation is none.
        let dts = if pts - dts > i64::from(CLOCK) * 10 { pts } else { dts };
        Some((PesTimes { pts, dts }, bytes.slice(content..)))
    }

    fn unroll(&mut self, raw: i64) -> i64 {
        let next = self.last.map_or(raw, |last| {
            let ahead = (raw - last).rem_euclid(WRAP);
            last + if ahead < WRAP / 2 { ahead } else { ahead - WRAP }
        });
        self.last = Some(next);
        next
    }

    fn units(&mut self, now: Mono, times: &PesTimes, content: &Bytes) -> Option<Vec<AccessUnit>> {
        match self.kind {
            ElementaryKind::H264 | ElementaryKind::H265 => self.picture(now, times, content),
            ElementaryKind::Adts => self.adts(now, times, content),
            ElementaryKind::Opus { .. } => opus_packets(now, times, content),
        }
    }

    fn picture(&mut self, now: Mono, times: &PesTimes, content: &Bytes) -> Option<Vec<AccessUnit>> {
        let h265 = self.kind == ElementaryKind::H265;
        let delimits = |nal: &Bytes| match h265 {
            true => h265::nal_type(nal) == h265::nal::AUD,
            false => matches!(h264::nal_type(nal), h264::nal::AUD | h264::nal::FILLER),
        };
        let payload: Payload = split_annex_b(content).filter(|nal| !delimits(nal)).collect();
        if payload.is_empty() {
            return None;
        }
        self.describe(h265, &payload);
        let key = if h265 { h265::is_key(&payload) } else { h264::is_key(&payload) };
        let mut timing = Timing::arrived(now);
        // A large frame takes its time to come.
        timing.captured.at = self.began;
        let mut unit = AccessUnit::new(TrackId(0), times.pts, key, timing, payload);
        unit.dts = times.dts;
        Some(vec![unit])
    }

    /// Takes over the parameter sets that come with a keyframe, if they are other ones.
    fn describe(&mut self, h265: bool, payload: &Payload) {
        let known = match &self.codec {
            Some(Codec::H264(Some(sets))) => {
                h264::find_sets(payload).is_none_or(|found| found == (&sets.sps, &sets.pps))
            }
            Some(Codec::H265(Some(sets))) => h265::find_sets(payload)
                .is_none_or(|found| found == (&sets.vps, &sets.sps, &sets.pps)),
            _ => false,
        };
        if !known && let Some(codec) = described(h265, payload) {
            self.codec = Some(codec);
        }
    }

    fn adts(&mut self, now: Mono, times: &PesTimes, content: &Bytes) -> Option<Vec<AccessUnit>> {
        let (mut units, mut rest) = (Vec::new(), content.clone());
        while let Some(frame) = Adts::parse(&rest) {
            if rest.len() < frame.len || frame.head >= frame.len {
                break;
            }
            let whole = rest.split_to(frame.len);
            let rate = frame.rate;
            let pts = rescale(times.pts, CLOCK, rate) + frame.samples * units.len() as i64;
            self.codec =
                Some(Codec::Aac(Aac { config: frame.config(), rate, channels: frame.channels }));
            let payload = smallvec![whole.slice(frame.head..)];
            units.push(AccessUnit::new(TrackId(0), pts, true, Timing::arrived(now), payload));
        }
        (!units.is_empty()).then_some(units)
    }
}

fn told_length(bytes: &[u8]) -> Option<usize> {
    let told = bytes.get(PREFIX - 2..PREFIX)?;
    let length = usize::from(u16::from_be_bytes([told[0], told[1]]));
    (length > 0).then_some(PREFIX + length)
}

/// 33 bits in five bytes with marks between (§2.4.3.6).
fn time(bytes: &[u8]) -> Option<i64> {
    let [a, b, c, d, e] = *<&[u8; 5]>::try_from(bytes).ok()?;
    let [a, b, c, d, e] = [a, b, c, d, e].map(i64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

fn described(h265: bool, payload: &Payload) -> Option<Codec> {
    if h265 {
        let (vps, sps, pps) = h265::find_sets(payload)?;
        let sets = h265::ParameterSets::parse(vps.clone(), sps.clone(), pps.clone()).ok()?;
        return Some(Codec::H265(Some(Arc::new(sets))));
    }
    let (sps, pps) = h264::find_sets(payload)?;
    Some(Codec::H264(Some(Arc::new(h264::ParameterSets::parse(sps.clone(), pps.clone()).ok()?))))
}

/// Packets behind control headers: a mark of 11 bits, flags, the length in steps of at most 255,
/// what is to be cut off.
fn opus_packets(now: Mono, times: &PesTimes, content: &Bytes) -> Option<Vec<AccessUnit>> {
    let (mut units, mut rest) = (Vec::new(), content.clone());
    let mut pts = rescale(times.pts, CLOCK, opus::CLOCK);
    while let Some(packet) = opus_packet(&mut rest) {
        let ticks = opus::ticks(&packet)?;
        units.push(AccessUnit::new(TrackId(0), pts, true, Timing::arrived(now), smallvec![packet]));
        pts += i64::from(ticks);
    }
    (!units.is_empty()).then_some(units)
}

fn opus_packet(rest: &mut Bytes) -> Option<Bytes> {
    let (mark, flags) = (*rest.first()?, *rest.get(1)?);
    if mark != 0x7f || flags & 0xe0 != 0xe0 {
        return None;
    }
    let steps = rest[2..].iter().take_while(|byte| **byte == 255).count();
    let length = steps * 255 + usize::from(*rest.get(2 + steps)?);
    let mut head =
        3 + steps + if flags & 0x10 != 0 { 2 } else { 0 } + if flags & 0x08 != 0 { 2 } else { 0 };
    if flags & 0x04 != 0 {
        head += 1 + usize::from(*rest.get(head)?);
    }
    let packet =
        rest.get(head..head + length).is_some().then(|| rest.slice(head..head + length))?;
    *rest = rest.slice(head + length..);
    Some(packet)
}
