use super::*;
use std::net::{Ipv4Addr, UdpSocket};
use str0m::{
    Event, Input, Rtc, RtcConfig,
    bwe::Bitrate,
    change::SdpOffer,
    media::{Mid, Pt},
    net::Receive,
    rtp::{Extension, ExtensionMap, RtpWrite, SeqNo},
};

#[test]
fn a_header_is_read() {
    let packet = [
        0x91, 0xe0, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, 9, 9, 9, 9, 0xbe, 0xde, 0, 2, 0x10, 7, 0, 0x31,
        5, 6, 0, 0, 8,
    ];
    let header = Header::parse(&packet).unwrap();
    assert_eq!((header.marker, header.payload_type, header.sequence), (true, 96, 258));
    assert_eq!((header.timestamp, header.ssrc), (3, 4));
    assert_eq!((header.extension(1), header.extension(3)), (Some(&[7][..]), Some(&[5, 6][..])));
    assert_eq!(header.extension(2), None);
    for len in 0..24 {
        let _ = Header::parse(&packet[..len]).map(|h| h.extension(3));
    }
    assert_eq!(Header::parse(&packet[..20]), None, "extensions cut off");
}

/// A server on str0m, which sends a packet every millisecond, ten to a frame, and loses every fifth
/// frame's fifth packet.
struct Server {
    rtc: Rtc,
    socket: UdpSocket,
    mid: Option<Mid>,
    next: Instant,
    sequence: u64,
    sent: u64,
    /// Latest figures that it has from its viewer.
    estimated: bool,
    loss_by_feedback: Option<f32>,
    loss_by_report: Option<f32>,
    round_trip: Option<Duration>,
}

impl Server {
    fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut extensions = ExtensionMap::empty();
        extensions.set(3, Extension::TransportSequenceNumber);
        let config = RtcConfig::new()
            .clear_codecs()
            .enable_h264(true)
            .set_extension_map(extensions)
            .set_rtp_mode(true);
        let config = config
            .enable_bwe(Some(Bitrate::mbps(5)))
            .set_stats_interval(Some(Duration::from_millis(200)));
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        Self {
            rtc,
            socket,
            mid: None,
            next: Instant::now(),
            sequence: 0,
            sent: 0,
            estimated: false,
            loss_by_feedback: None,
            loss_by_report: None,
            round_trip: None,
        }
    }

    fn answer(&mut self, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(offer).unwrap();
        self.rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string()
    }

    fn turn(&mut self) {
        let mut buffer = [0; 2000];
        while let Ok((len, source)) = self.socket.recv_from(&mut buffer) {
            let destination = self.socket.local_addr().unwrap();
            let contents = buffer[..len].try_into().unwrap();
            let receive = Receive { proto: Protocol::Udp, source, destination, contents };
            self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
            self.poll();
        }
        let now = Instant::now();
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.poll();
        if self.rtc.is_connected() && now >= self.next {
            self.next = now + Duration::from_millis(1);
            self.write(now);
            self.poll();
        }
    }

    fn write(&mut self, now: Instant) {
        let Some(mid) = self.mid else { return };
        self.sequence += 1;
        let (frame, n) = (self.sequence / 10, self.sequence % 10);
        let mut api = self.rtc.direct_api();
        let tx = api.stream_tx_by_mid(mid, None).unwrap();
        let packet = RtpWrite::new(
            Pt::from(96),
            SeqNo::from(self.sequence),
            frame as u32 * 3000,
            now,
            vec![9; 500],
        );
        tx.write_rtp(packet.marker(n == 9));
    }

    fn poll(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                str0m::Output::Timeout(_) => return,
                str0m::Output::Transmit(packet) => {
                    let media = matches!(packet.contents[..], [128..=191, 96 | 224, ..]);
                    self.sent += u64::from(media);
                    if !(media && self.sent % 50 == 25) {
                        self.socket.send_to(&packet.contents, packet.destination).unwrap();
                    }
                }
                str0m::Output::Event(event) => self.event(event),
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::MediaAdded(media) => self.mid = Some(media.mid),
            Event::EgressBitrateEstimate(_) => self.estimated = true,
            Event::PeerStats(stats) => {
                self.loss_by_feedback = stats.egress_loss_fraction.or(self.loss_by_feedback);
            }
            Event::MediaEgressStats(stats) => {
                self.loss_by_report = stats.loss.or(self.loss_by_report);
                self.round_trip = stats.rtt.or(self.round_trip);
            }
            _ => {}
        }
    }
}

/// Everything a server sees of this viewer, seen by an engine that is not ours: it connects, its
/// reports are authentic, and tell the loss there is.
#[test]
fn a_server_sees_a_viewer_that_reports() {
    str0m::crypto::from_feature_flags().install_process_default();
    let common =
        Common::new(Ipv4Addr::LOCALHOST.into(), 100, false, Duration::from_millis(50)).unwrap();
    let (mut viewer, mut server) = (Plain::new(&Rc::new(common)).unwrap(), Server::new());
    let answer = server.answer(viewer.offer());
    viewer.answer(&answer).unwrap();
    let (start, mut buffers) = (Instant::now(), Buffers::new(false));
    let known = |s: &Server| {
        s.estimated
            && s.loss_by_feedback > Some(0.0)
            && s.loss_by_report > Some(0.0)
            && s.round_trip.is_some()
    };
    while !(known(&server) && viewer.watch().totals().packets > 2500) {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?} {:?}",
            server.loss_by_feedback,
            viewer.watch().totals()
        );
        server.turn();
        viewer.receive(&mut buffers).unwrap();
        viewer.handle_timeout(Instant::now()).unwrap();
        std::thread::sleep(Duration::from_micros(300));
    }
    let totals = viewer.watch().totals();
    assert!(
        totals.frames.complete > 150 && totals.frames.broken >= totals.frames.complete / 8,
        "{totals:?}"
    );
    assert!(totals.frames.lost.abs_diff(totals.packets / 50) <= 5, "{totals:?}");
    for loss in [server.loss_by_feedback, server.loss_by_report] {
        assert!(loss.is_some_and(|l| (0.005..0.06).contains(&l)), "{loss:?}");
    }
    assert!(server.round_trip < Some(Duration::from_secs(1)), "{:?}", server.round_trip);
    assert!(viewer.watch().connect_time().unwrap() < Duration::from_secs(5));
}

/// It talks only to the peer that answered.
#[test]
fn another_certificate_is_refused() {
    str0m::crypto::from_feature_flags().install_process_default();
    let common =
        Common::new(Ipv4Addr::LOCALHOST.into(), 30, false, Duration::from_millis(50)).unwrap();
    let (mut viewer, mut server) = (Plain::new(&Rc::new(common)).unwrap(), Server::new());
    let (answer, other) = (server.answer(viewer.offer()), Server::new().answer(viewer.offer()));
    let print =
        |sdp: &str| sdp.lines().find(|l| l.starts_with("a=fingerprint")).unwrap().to_owned();
    viewer.answer(&answer.replace(&print(&answer), &print(&other))).unwrap();
    let (start, mut buffers) = (Instant::now(), Buffers::new(false));
    let refused = loop {
        assert!(start.elapsed() < Duration::from_secs(10));
        server.turn();
        let turn = viewer
            .receive(&mut buffers)
            .and_then(|()| viewer.handle_timeout(Instant::now()).map(drop));
        if let Err(e) = turn {
            break e;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(refused.to_string().contains("certificate"), "{refused}");
}
