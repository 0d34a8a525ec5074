//! The machine that callers see.

use super::{
    Counters, Frame, Stats,
    audio::AudioReceiver,
    capture::CaptureMap,
    h264, h265,
    order::Order,
    statistics::Reception,
    timeline::Timeline,
    together::{Place, SenderClock, Together},
    video::VideoReceiver,
};
use crate::{
    rtp::{
        Packet,
        rtcp::{self, ReportBlock, SenderReport},
    },
    sdp::Format,
};
use bytes::Bytes;
use media::{AccessUnit, ClockPair, Codec, MediaKind, Mono, Timing, TrackId};
use std::{collections::VecDeque, time::Duration};

/// Units that may wait to be polled; more are dropped. One call makes a handful, so nobody who
/// polls after each call meets this with a sender in his right mind.
const MAX_QUEUE: usize = 4096;

/// What carries the packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// A byte stream: nothing overtakes, so nothing is waited for.
    Ordered,
    /// Datagrams: a missing packet is waited for, 60 ms and 256 packets at most.
    Unordered,
}

/// What a track has to say.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are units; a box would be an allocation a frame"
)]
#[derive(Debug)]
pub enum Received {
    /// The parameters changed; the units that follow need these.
    Codec(Codec),
    /// The next frame.
    Unit(AccessUnit),
}

/// What depacketisers deliver.
#[derive(Debug)]
pub(super) enum Output {
    Codec(Codec),
    Frame(Frame),
}

/// One incoming track: packets go in as they come, access units come out whole and in order.
///
/// After each `handle_…` call [`TrackReceiver::poll`] until `None`, and call
/// [`TrackReceiver::handle_timeout`] when [`TrackReceiver::poll_timeout`] says. A frame with a part
/// missing is dropped and counted; the next one carries the discontinuity flag. Presentation times
/// are ticks of the format's clock since this machine's monotonic zero, so that tracks of one
/// sender fit together whatever their random beginnings.
///
/// Units keep the promises of a published stream: no start codes, delimiters or filler, and a `key`
/// unit has its parameter sets in band. A keyframe whose parameter sets nobody has told is
/// delivered without `key`.
#[derive(Debug)]
pub struct TrackReceiver {
    track: TrackId,
    payload_type: u8,
    clock_rate: u32,
    order: Order,
    depacketizer: Depacketizer,
    /// How many restarts came before it, and the reception of the current sender.
    reception: Option<(u64, Reception)>,
    capture: CaptureMap,
    /// The sender's clock by its last report, and the other tracks on that clock.
    sender_clock: Option<SenderClock>,
    together: Together,
    timeline: Timeline,
    /// The SSRC of frames being delivered.
    ssrc: u32,
    /// No keyframe has come since the last loss.
    concealing: bool,
    frames: VecDeque<Output>,
    queue: VecDeque<Received>,
    /// A frame found no room in `queue`.
    overrun: bool,
    stats: Stats,
}

#[derive(Debug)]
enum Depacketizer {
    Video(Box<VideoReceiver>),
    Audio(AudioReceiver),
}

impl TrackReceiver {
    /// A receiver for a track described as `format`. Its units will carry `track`.
    pub fn new(track: TrackId, format: &Format, transport: Transport) -> Self {
        Self {
            track,
            payload_type: format.payload_type,
            clock_rate: format.clock_rate,
            order: Order::new(transport),
            depacketizer: Depacketizer::new(format),
            reception: None,
            capture: CaptureMap::new(format.clock_rate),
            sender_clock: None,
            together: Together::default(),
            timeline: Timeline::new(format.clock_rate),
            ssrc: 0,
            concealing: false,
            frames: VecDeque::new(),
            queue: VecDeque::new(),
            overrun: false,
            stats: Stats::default(),
        }
    }

    /// Believes nothing of what the sender's reports say of the time of capture: it is known to be
    /// wrong.
    pub fn disbelieve_clock(&mut self) {
        self.capture.disbelieve();
    }

    /// Waits so long for a packet that is missing, instead of 60 ms: there are senders that can be
    /// asked for it. Only on [`Transport::Unordered`].
    pub fn set_patience(&mut self, patience: Duration) {
        self.order.set_patience(patience);
    }

    /// True if frames are delivered that refer to ones that are missing: a keyframe would help.
    pub fn awaits_keyframe(&self) -> bool {
        self.concealing
    }

    /// Keeps sound where its picture is: every track of one sender is given the same.
    pub fn keep_together(&mut self, together: &Together) {
        self.together = together.clone();
    }

    /// Takes what came on the track's RTP flow, with the time it came at. Anything else than a
    /// packet of this track is counted and otherwise ignored.
    pub fn handle_rtp(&mut self, now: Mono, bytes: Bytes) {
        let len = bytes.len();
        if rtcp::is_rtcp(&bytes) {
            self.stats.foreign += 1;
            return;
        }
        let Ok(packet) = Packet::parse(bytes) else {
            self.stats.malformed += 1;
            return;
        };
        let timestamp = packet.timestamp;
        if packet.payload_type != self.payload_type || !self.order.handle(now, packet) {
            self.stats.foreign += 1;
            return;
        }
        self.stats.packets += 1;
        self.stats.bytes += len as u64;
        self.note_reception(now, timestamp);
        self.deliver();
    }

    /// Takes what came on the track's RTCP flow. `clocks` are this machine's clocks of now.
    pub fn handle_rtcp(&mut self, now: Mono, clocks: &ClockPair, bytes: &[u8]) {
        rtcp::sender_reports(bytes).for_each(|report| self.handle_report(now, clocks, &report));
    }

    /// Takes one report of this track's sender.
    pub fn handle_report(&mut self, now: Mono, clocks: &ClockPair, report: &SenderReport) {
        self.capture.handle_report(now, clocks, report);
        self.sender_clock = SenderClock::new(report).or(self.sender_clock);
        if let Some((_, reception)) =
            self.reception.as_mut().filter(|(_, r)| r.ssrc() == report.ssrc)
        {
            reception.handle_report(now, report);
        }
    }

    /// Takes what a packet says of its frame's time of capture, by the sender's wall clock (NTP):
    /// as good as a sender report, but there from the first frame on.
    pub fn handle_capture_time(&mut self, clocks: &ClockPair, ssrc: u32, timestamp: u32, ntp: u64) {
        let report = SenderReport { ssrc, ntp, timestamp, packets: 0, octets: 0 };
        self.capture.handle_report(clocks.mono, clocks, &report);
    }

    /// The next thing received.
    pub fn poll(&mut self) -> Option<Received> {
        self.queue.pop_front()
    }

    /// When to call [`TrackReceiver::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.order.poll_timeout()
    }

    /// Gives up waiting for packets whose time is over.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.order.handle_timeout(now);
        self.deliver();
    }

    /// A receiver report by `ssrc`, to be sent every few seconds, with the receiver's canonical
    /// name.
    pub fn receiver_report(&mut self, now: Mono, ssrc: u32, cname: &str) -> Bytes {
        rtcp::write_receiver_report(ssrc, self.report_block(now).as_ref(), cname)
    }

    /// What a receiver report says of this track, since the last time; `None` before the first
    /// packet.
    pub fn report_block(&mut self, now: Mono) -> Option<ReportBlock> {
        let highest = self.order.highest().map_or(0, |(_, number)| number);
        self.reception.as_mut().map(|(_, r)| r.report(now, highest))
    }

    /// Counters since the beginning.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        let Counters { malformed, dropped } = self.depacketizer.counters();
        stats.set_order(self.order.counters);
        stats.malformed += malformed;
        stats.frames_dropped += dropped;
        stats.jumps = self.timeline.jumps;
        stats.jitter = self.reception.as_ref().map(|(_, r)| r.jitter()).unwrap_or_default();
        stats
    }

    /// The SSRC of the sender, once a packet has come.
    pub fn remote_ssrc(&self) -> Option<u32> {
        self.order.highest().map(|(ssrc, _)| ssrc)
    }

    fn note_reception(&mut self, now: Mono, timestamp: u32) {
        let Some((ssrc, highest)) = self.order.highest() else { return };
        let flow = self.order.counters.restarts;
        let same = self.reception.take().filter(|(began, _)| *began == flow).map(|(_, r)| r);
        let mut reception = same.unwrap_or_else(|| Reception::new(ssrc, self.clock_rate, highest));
        reception.handle_packet(now, timestamp);
        self.reception = Some((flow, reception));
    }

    fn deliver(&mut self) {
        while let Some(packet) = self.order.poll() {
            if packet.restart {
                self.depacketizer.abandon(&mut self.frames);
                self.place_frames();
                self.timeline.restart();
            }
            self.ssrc = packet.packet.ssrc;
            self.depacketizer.handle(&packet, &mut self.frames);
            self.place_frames();
        }
    }

    /// Gives the depacketiser's frames their times.
    fn place_frames(&mut self) {
        while let Some(output) = self.frames.pop_front() {
            let full = self.queue.len() >= MAX_QUEUE;
            match output {
                Output::Codec(codec) => {
                    if full && matches!(self.queue.back(), Some(Received::Codec(_))) {
                        self.queue.pop_back();
                    }
                    self.queue.push_back(Received::Codec(codec));
                }
                Output::Frame(_) if full => {
                    self.stats.frames_dropped += 1;
                    self.overrun = true;
                }
                Output::Frame(frame) => {
                    let unit = self.access_unit(frame);
                    self.queue.push_back(Received::Unit(unit));
                }
            }
        }
    }

    /// Where a frame belongs beside the sender's other tracks: pictures tell, sound follows.
    fn keep_with_picture(&mut self, timestamp: u32, pts: i64) -> i64 {
        let Some(clock) = &self.sender_clock else { return pts };
        let place = Place { ssrc: self.ssrc, timestamp, clock_rate: self.clock_rate, pts };
        if self.depacketizer.is_video() {
            self.together.lead(clock, place);
            return pts;
        }
        let correction = self.together.correction(clock, place);
        self.timeline.move_by(correction);
        pts.saturating_add(correction)
    }

    fn access_unit(&mut self, frame: Frame) -> AccessUnit {
        let taken = frame.timestamp.wrapping_add(frame.ticks as u32);
        let captured = self.capture.captured(self.ssrc, taken, frame.first_at);
        let (pts, broken) =
            self.timeline.place(frame.timestamp, frame.ticks, captured.at, frame.first_at);
        let pts = self.keep_with_picture(taken, pts);
        self.concealing =
            (self.concealing || frame.after_loss) && !(frame.key && self.depacketizer.is_video());
        self.stats.frames += 1;
        self.stats.frames_after_loss += u64::from(self.concealing);
        let timing = Timing { captured, ..Timing::arrived(frame.last_at) };
        let mut unit = AccessUnit::new(self.track, pts, frame.key, timing, frame.payload);
        unit.discontinuity = std::mem::take(&mut self.overrun) || frame.after_loss || broken;
        unit
    }
}

impl Depacketizer {
    fn new(format: &Format) -> Self {
        match &format.codec {
            Codec::H264(_) => Self::Video(Box::new(VideoReceiver::new(&h264::SYNTAX, format))),
            Codec::H265(_) => Self::Video(Box::new(VideoReceiver::new(&h265::SYNTAX, format))),
            codec => {
                debug_assert_eq!(codec.kind(), MediaKind::Audio);
                Self::Audio(AudioReceiver::new(format))
            }
        }
    }

    fn handle(&mut self, packet: &super::order::Sequenced, out: &mut VecDeque<Output>) {
        match self {
            Self::Video(video) => video.handle(packet, out),
            Self::Audio(audio) => audio.handle(packet, out),
        }
    }

    fn abandon(&mut self, out: &mut VecDeque<Output>) {
        match self {
            Self::Video(video) => video.abandon(out),
            Self::Audio(audio) => audio.abandon(),
        }
    }

    fn counters(&self) -> Counters {
        match self {
            Self::Video(video) => video.counters,
            Self::Audio(audio) => audio.counters,
        }
    }

    fn is_video(&self) -> bool {
        matches!(self, Self::Video(_))
    }
}
