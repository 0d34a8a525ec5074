//! A whole viewer in virtual time, against another WebRTC engine, over a link that loses and
//! delays. Only the last few micrometres are real: what is sent goes through a socket of this
//! machine.

use super::*;
use crate::{
    clock::Clock,
    endpoint::webrtc::{
        outlet::Outlet,
        socket::{Port, Sender},
        stats::CameraStats,
        tcp::Tcp,
    },
    viewers::{JoinRequest, Protocol, ViewerRegistry},
};
use allocation_counter::measure;
use bytes::Bytes;
use hub::{Publisher, Stream, StreamOptions};
use media::{AccessUnit, Codec, Timing, TrackId};
use proto::webrtc::{
    Certificate, Transport as Way,
    answer::{self, TrackSsrcs},
    batch::Batch,
    offer::Offer,
};
use std::{collections::BTreeMap, collections::VecDeque, net::UdpSocket};
use str0m::{
    Candidate, Event as Happened, Input, Output as Wants, Rtc, RtcConfig,
    change::SdpAnswer,
    media::{Direction, MediaKind},
    net::{Protocol as Net, Receive},
    rtp::{Extension, ExtensionMap},
};

const MS: Duration = Duration::from_millis(1);
const FRAME: Duration = Duration::from_millis(33);
const GOP: u64 = 30;

/// A datagram on its way.
type Flight = VecDeque<(Mono, Vec<u8>)>;

struct Lab {
    clock: Clock,
    now: Mono,
    publisher: Publisher,
    frames: u64,
    viewer: Viewer,
    feed: Feed,
    out: Outlet,
    local: std::net::SocketAddr,
    far: UdpSocket,
    client: Rtc,
    client_wakes: Mono,
    rng: fastrand::Rng,
    loss: f64,
    delay: Duration,
    down: Flight,
    up: Flight,
    /// When each packet arrived, and whether it ends a frame.
    arrived: BTreeMap<u64, (Mono, bool)>,
    /// When each frame was published.
    published: Vec<Mono>,
}

impl Lab {
    /// Two ends that know each other, before the first packet. Nothing is lost yet.
    fn new(seed: u64, round_trip: Duration) -> Self {
        let clock = Clock::new();
        let now = clock.now();
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        far.set_nonblocking(true).unwrap();
        let local = near.local_addr().unwrap();
        let stream = Stream::new("front", StreamOptions::default(), now);
        let catalog = Catalog::new([(Codec::H264(None), 90_000)]);
        let publisher = stream.publish(now, "a test", catalog.clone()).unwrap();

        let mut client = client_config().build(clock.instant(now));
        client.add_local_candidate(Candidate::host(far.local_addr().unwrap(), "udp").unwrap());
        let mut changes = client.sdp_api();
        changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offered, pending) = changes.apply().unwrap();
        let offer = Offer::parse(&offered.to_sdp_string()).unwrap();
        let choice = NegotiatedFormats::new(&offer, Some(&catalog)).unwrap();
        let certificate = Certificate::generate().unwrap();
        let session =
            Session::accept(clock.instant(now), &certificate, &offer.remote, &[(Way::Udp, local)]);
        let sources = (TrackSsrcs::random(), TrackSsrcs::random());
        let answer = answer::write(&offer, &choice, Some(sources), &session, &certificate);
        client
            .sdp_api()
            .accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap())
            .unwrap();

        let plan = EgressPlan::new(&offer, &choice, sources);
        let request =
            JoinRequest { protocol: Protocol::WebRtc, stream: "front", end: Arc::new(|_| {}) };
        let handle = ViewerRegistry::default().join(request, clock.pair()).unwrap();
        let arrival = Arrival {
            session,
            plan,
            choice,
            stream: stream.clone(),
            handle,
            cameras: None,
            candidates: Vec::new(),
        };
        Self {
            clock,
            now,
            publisher,
            frames: 0,
            viewer: Viewer::new(clock, now, arrival),
            feed: Feed::new(stream, Arc::new(CameraStats::default())),
            out: Outlet::new(
                clock,
                Sender::new(Port::new(near).unwrap()),
                Tcp::new(clock, None).unwrap(),
            ),
            local,
            far,
            client,
            client_wakes: now,
            rng: fastrand::Rng::with_seed(seed),
            loss: 0.0,
            delay: round_trip / 2,
            down: Flight::new(),
            up: Flight::new(),
            arrived: BTreeMap::new(),
            published: Vec::new(),
        }
    }

    fn with_viewer<T>(&mut self, act: impl FnOnce(&mut Viewer, &mut Context<'_>) -> T) -> T {
        let Self { clock, now, viewer, feed, out, .. } = self;
        act(viewer, &mut Context { clock: *clock, now: *now, pair: clock.pair(), out, feed })
    }

    fn lost(&mut self) -> bool {
        self.rng.f64() < self.loss
    }

    /// A millisecond passes.
    fn step(&mut self) {
        self.now = self.now + MS;
        let path =
            Path { transport: Way::Udp, local: self.local, remote: self.far.local_addr().unwrap() };
        while self.up.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, mut data) = self.up.pop_front().unwrap();
            self.with_viewer(|viewer, cx| viewer.handle_datagram(cx, path, &mut data));
        }
        if self.viewer.deadline(self.clock) <= self.now {
            self.with_viewer(Viewer::handle_timeout);
        }
        self.collect();
        while self.down.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, data) = self.down.pop_front().unwrap();
            self.client_takes(&data);
        }
        if self.client_wakes <= self.now {
            self.client.handle_input(Input::Timeout(self.clock.instant(self.now))).unwrap();
            self.drain_client();
        }
    }

    /// What the outlet sent goes on its way to the client.
    fn collect(&mut self) {
        let mut buffer = [0; 2000];
        while let Ok(len) = self.far.recv(&mut buffer) {
            if !self.lost() {
                self.down.push_back((self.now + self.delay, buffer[..len].to_vec()));
            }
        }
    }

    fn client_takes(&mut self, data: &[u8]) {
        let (source, destination) = (self.local, self.far.local_addr().unwrap());
        let contents = data.try_into().unwrap();
        let receive = Receive { proto: Net::Udp, source, destination, contents };
        self.client.handle_input(Input::Receive(self.clock.instant(self.now), receive)).unwrap();
        self.drain_client();
    }

    fn drain_client(&mut self) {
        loop {
            match self.client.poll_output().unwrap() {
                Wants::Timeout(at) => {
                    self.client_wakes = self.clock.mono(at).max(self.now + MS);
                    return;
                }
                Wants::Transmit(t) => {
                    if !self.lost() {
                        self.up.push_back((self.now + self.delay, t.contents.to_vec()));
                    }
                }
                Wants::Event(Happened::RtpPacket(p)) => {
                    self.arrived.entry(*p.seq_no).or_insert((self.now, p.header.marker));
                }
                Wants::Event(_) => {}
            }
        }
    }

    fn connect(&mut self) {
        let limit = self.now + Duration::from_secs(10);
        while self.viewer.phase != Phase::Playing {
            assert!(self.now < limit, "not connected after ten seconds");
            self.step();
        }
    }

    fn publish(&mut self) {
        let key = self.frames.is_multiple_of(GOP);
        let size = if key { 40_000 } else { 8000 };
        let mut nal = vec![7; size];
        nal[0] = if key { 0x65 } else { 0x41 };
        let pts = (self.frames * 2970).cast_signed();
        let payload = std::iter::once(Bytes::from(nal)).collect();
        self.publisher
            .push(
                self.now,
                AccessUnit::new(TrackId(0), pts, key, Timing::arrived(self.now), payload),
            )
            .unwrap();
        self.published.push(self.now);
        self.frames += 1;
    }

    /// Publishes for this many frames and hands each to the viewer, which the frame loop would do.
    fn run(&mut self, frames: u64) {
        for _ in 0..frames {
            self.publish();
            self.with_viewer(Viewer::handle_change);
            self.collect();
            (0..FRAME.as_millis()).for_each(|_| self.step());
        }
    }

    /// From a frame's publishing to the arrival of its last packet, in milliseconds; `None` for one
    /// that never was whole.
    fn delays(&self) -> Vec<Option<u128>> {
        let mut delays = Vec::new();
        let (mut expected, mut last, mut whole) =
            (*self.arrived.keys().next().unwrap(), Mono::default(), true);
        for (sequence, (at, ends)) in &self.arrived {
            whole &= *sequence == expected;
            expected = sequence + 1;
            last = last.max(*at);
            if *ends {
                let published = self.published[delays.len()];
                delays.push(whole.then(|| last.since(published).as_millis()));
                (last, whole) = (Mono::default(), true);
            }
        }
        delays
    }
}

fn client_config() -> RtcConfig {
    let mut extensions = ExtensionMap::empty();
    extensions.set(1, Extension::AbsoluteCaptureTime);
    extensions.set(2, Extension::PlayoutDelay);
    extensions.set(3, Extension::TransportSequenceNumber);
    RtcConfig::new()
        .clear_codecs()
        .enable_h264(true)
        .set_extension_map(extensions)
        .set_rtp_mode(true)
}

/// Watches 20 seconds; returns delays of frames, sorted.
fn watch(seed: u64, loss: f64, round_trip: Duration) -> Vec<u128> {
    let mut lab = Lab::new(seed, round_trip);
    lab.connect();
    // Until both ends have their keys.
    (0..200).for_each(|_| lab.step());
    lab.loss = loss;
    lab.run(600);
    lab.loss = 0.0;
    lab.run(30);
    let delays = lab.delays();
    assert!(delays.len() >= 600, "{} frames", delays.len());
    let mut whole: Vec<u128> = delays[..600].iter().copied().flatten().collect();
    // At a tenth lost the other end gives up a packet now and then: it asks a few times only.
    let given_up = if loss > 0.05 { 2 } else { 0 };
    assert!(
        whole.len() >= 600 - given_up,
        "{} frames were never whole (seed {seed}, loss {loss})",
        600 - whole.len()
    );
    whole.sort_unstable();
    whole
}

#[tokio::test]
async fn every_frame_arrives_at_once_on_a_clean_link() {
    assert!(watch(1, 0.0, Duration::ZERO).iter().all(|ms| *ms <= 2));
    assert!(watch(2, 0.0, 40 * MS).iter().all(|ms| *ms <= 22));
}

/// What takes longest is a request that is lost itself: the other end asks again only after a tenth
/// of a second.
#[tokio::test]
async fn every_loss_is_repaired_in_time() {
    for seed in 0..5 {
        for (loss, round_trip, nearly_all) in
            [(0.03, Duration::ZERO, 180), (0.03, 40 * MS, 240), (0.10, Duration::ZERO, 320)]
        {
            let delays = watch(seed, loss, round_trip);
            let (p99, worst) = (delays[delays.len() * 99 / 100 - 1], delays[delays.len() - 1]);
            assert!(
                p99 <= nearly_all && worst <= 600,
                "seed {seed}, loss {loss}, {round_trip:?}: p99 {p99}, worst {worst} ms"
            );
        }
    }
}

/// The promise of the send path: what is done for each viewer and each packet does not touch the
/// heap.
#[tokio::test]
async fn a_frame_is_sent_without_allocating() {
    let mut lab = Lab::new(1, Duration::ZERO);
    lab.connect();
    lab.run(200);
    let (mut allocations, mut packets) = (0, 0);
    for _ in 0..300 {
        lab.publish();
        // Cut once for all viewers, by whoever comes first.
        let newest = lab.feed.stream.unit_at(lab.frames - 1).unwrap();
        packets += proto::rtp::send::fragments(&newest, &Codec::H264(None)).fragments.len();
        allocations += measure(|| lab.with_viewer(Viewer::handle_change)).count_total;
        lab.collect();
        (0..FRAME.as_millis()).for_each(|_| lab.step());
    }
    assert!(packets > 2000);
    assert_eq!(allocations, 0, "for {packets} packets");
}

#[test]
fn batches_keep_their_buffer() {
    let route = Route {
        transport: Way::Udp,
        destination: ([127, 0, 0, 1], 9).into(),
        source: [127, 0, 0, 1].into(),
    };
    let mut batch = Batch::default();
    let mut frame = || {
        assert!((0..64).all(|_| batch.write(route, |out| out.extend_from_slice(&[7; 1000]))));
        batch.clear();
    };
    frame();
    assert_eq!(measure(frame).count_total, 0);
}
