//! One viewer: who it is, what it was sent, what is known of its link.

use super::{
    Kick,
    counts::{Fact, ViewerCounters, ViewerCounts},
    meter::SendMeter,
};
use media::{ClockPair, Mono, Wall};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// How a viewer is served.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(dead_code, reason = "the endpoints of some are on their way")]
pub(crate) enum Protocol {
    /// WHEP.
    WebRtc,
    /// RTSP play.
    Rtsp,
    /// Playlists and segments.
    Hls,
    /// Media over a WebSocket.
    WebSocket,
    /// Multipart JPEG.
    Mjpeg,
    /// One endless answer: fMP4, MPEG-TS.
    Http,
}

impl Protocol {
    /// Those that this version serves.
    pub(crate) const SERVED: [Self; 6] =
        [Self::WebRtc, Self::Rtsp, Self::Hls, Self::WebSocket, Self::Mjpeg, Self::Http];

    /// The word for programs, labels and ids.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WebRtc => "webrtc",
            Self::Rtsp => "rtsp",
            Self::Hls => "hls",
            Self::WebSocket => "ws",
            Self::Mjpeg => "mjpeg",
            Self::Http => "http",
        }
    }
}

/// What carries a viewer's packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ViewerTransport {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
}

impl ViewerTransport {
    /// The word for programs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// The picture that is watched.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Shown {
    /// The camera.
    pub(crate) camera: Arc<str>,
    /// `None` is the camera's own picture.
    pub(crate) rendition: Option<Arc<str>>,
}

impl Shown {
    /// By the name of the stream: a camera, or `CAMERA/RENDITION`.
    pub(crate) fn new(stream: &str) -> Self {
        match stream.split_once('/') {
            Some((camera, rendition)) => {
                Self { camera: camera.into(), rendition: Some(rendition.into()) }
            }
            None => Self { camera: stream.into(), rendition: None },
        }
    }
}

/// What may be known of a viewer's link.
#[derive(Default, Debug)]
pub(crate) struct LinkFacts {
    /// Round-trip time, in microseconds.
    pub(crate) rtt: Fact,
    /// Share of packets lost before repair, in millionths.
    pub(crate) loss: Fact,
    /// What the link carries, as the congestion control sees it, in bits a second.
    pub(crate) estimate: Fact,
    /// What the stream needs, in bits a second.
    pub(crate) needed: Fact,
    /// From capture to the screen, in microseconds.
    pub(crate) latency: Fact,
    /// Least delay asked of the player, in microseconds.
    pub(crate) playout: Fact,
}

/// One viewer. All counting is done by whoever sends to it, without a lock.
pub(crate) struct ViewerInfo {
    pub(super) number: u64,
    /// How it is served.
    pub(crate) protocol: Protocol,
    /// What it watches, whatever the rendition.
    pub(crate) camera: Arc<str>,
    /// When it came.
    pub(crate) since: Wall,
    /// What may be known of its link.
    pub(crate) facts: LinkFacts,
    pub(super) end: Option<Kick>,
    counters: ViewerCounters,
    connected: AtomicBool,
    link_limited: AtomicBool,
    /// What changes rarely. Held for a moment.
    notes: Mutex<ViewerNotes>,
}

struct ViewerNotes {
    rendition: Option<Arc<str>>,
    rendition_reason: &'static str,
    transport: Option<ViewerTransport>,
    address: Option<SocketAddr>,
    /// What is booked to pictures that it has been shown earlier.
    credited: ViewerCounts,
    meter: SendMeter,
}

impl ViewerInfo {
    pub(super) fn new(
        number: u64,
        protocol: Protocol,
        shown: Shown,
        end: Option<Kick>,
        now: ClockPair,
    ) -> Self {
        let notes = ViewerNotes {
            rendition: shown.rendition,
            rendition_reason: "asked for",
            transport: None,
            address: None,
            credited: ViewerCounts::default(),
            meter: SendMeter::new(now.mono),
        };
        Self {
            number,
            protocol,
            camera: shown.camera,
            since: now.wall,
            facts: LinkFacts::default(),
            end,
            counters: ViewerCounters::default(),
            connected: AtomicBool::new(false),
            link_limited: AtomicBool::new(false),
            notes: Mutex::new(notes),
        }
    }

    /// Unique in a server's life, and no secret.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The name by which the API knows it: `webrtc-7`.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.protocol.as_str(), self.number)
    }

    /// The way to it is open.
    pub(crate) fn set_connected(&self, transport: ViewerTransport, address: Option<SocketAddr>) {
        let mut notes = self.notes();
        notes.transport = Some(transport);
        notes.address = address;
        self.connected.store(true, Relaxed);
    }

    /// Counts video frames that were sent.
    pub(crate) fn sent_frames(&self, frames: u64) {
        self.counters.frames.fetch_add(frames, Relaxed);
    }

    /// Counts bytes that were sent.
    pub(crate) fn sent_bytes(&self, bytes: usize) {
        self.counters.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts units that it did not get because it was behind.
    pub(crate) fn skipped(&self, units: u64) {
        self.counters.slow.fetch_add(units, Relaxed);
    }

    /// Counts units that it did not get because its link carries less than the stream.
    pub(crate) fn skipped_for_congestion(&self, units: u64) {
        self.counters.congested.fetch_add(units, Relaxed);
    }

    /// Counts packets that were sent again.
    pub(crate) fn retransmitted(&self, packets: u64) {
        self.counters.retransmits.fetch_add(packets, Relaxed);
    }

    /// Its link carries less than the stream, or enough again.
    pub(crate) fn set_link_limited(&self, limited: bool) {
        if !self.link_limited.swap(limited, Relaxed) && limited {
            self.counters.link_limits.fetch_add(1, Relaxed);
        }
    }

    /// Media can flow.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// Its link carries less than the stream.
    pub(crate) fn is_link_limited(&self) -> bool {
        self.link_limited.load(Relaxed)
    }

    /// What it was sent so far.
    pub(crate) fn counts(&self) -> ViewerCounts {
        self.counters.read()
    }

    /// What it is shown.
    pub(crate) fn shown(&self) -> Shown {
        self.notes().shown(&self.camera)
    }

    /// Why it is shown this rendition and no other.
    pub(crate) fn rendition_reason(&self) -> &'static str {
        self.notes().rendition_reason
    }

    /// What carries its packets and where they go, once connected.
    pub(crate) fn path(&self) -> (Option<ViewerTransport>, Option<SocketAddr>) {
        let notes = self.notes();
        (notes.transport, notes.address)
    }

    /// Bits a second over the last seconds.
    pub(crate) fn bitrate(&self, now: Mono) -> f64 {
        self.notes().meter.bitrate(now, self.counts().bytes)
    }

    pub(super) fn sample(&self, now: Mono) {
        self.notes().meter.sample(now, self.counts().bytes);
    }

    pub(super) fn set_rendition(&self, rendition: Option<Arc<str>>, reason: &'static str) {
        let mut notes = self.notes();
        notes.rendition = rendition;
        notes.rendition_reason = reason;
    }

    /// What it was sent of the picture that it is shown now.
    pub(super) fn uncredited(&self) -> (Shown, ViewerCounts) {
        let notes = self.notes();
        (notes.shown(&self.camera), self.counts() - notes.credited)
    }

    /// As [`ViewerInfo::uncredited`], and from now on that is booked elsewhere.
    pub(super) fn credit(&self) -> (Shown, ViewerCounts) {
        let mut notes = self.notes();
        let counts = self.counts();
        let new = counts - notes.credited;
        notes.credited = counts;
        (notes.shown(&self.camera), new)
    }

    fn notes(&self) -> MutexGuard<'_, ViewerNotes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ViewerNotes {
    fn shown(&self, camera: &Arc<str>) -> Shown {
        Shown { camera: camera.clone(), rendition: self.rendition.clone() }
    }
}
