//! The port itself, with streams published beside it and clients that speak plain bytes.

use super::*;
use crate::cameras::Origin;
use bytes::Bytes;
use hub::{Publisher, Stream, StreamOptions};
use media::{AccessUnit, Catalog, Codec, G711Law, Timing, TrackId};
use proto::rtp::rtcp::{self, ReportBlock};
use std::future::Future;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(10);

struct House {
    access: Access,
    addr: SocketAddr,
    stream: Arc<Stream>,
    stop: CancellationToken,
}

/// A server with one camera, `cam`, that anybody may publish.
async fn house() -> House {
    let access = Access {
        cameras: Cameras::new(crate::event::EventBus::new(1)),
        clock: Clock::new(),
        viewers: ViewerRegistry::default(),
    };
    let origin = Origin { text: "publish".into(), publishable: true, on_demand: false };
    let camera =
        access.cameras.add(&"cam".into(), origin, StreamOptions::default(), access.clock.now());
    let rtsp = Rtsp::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (addr, stop, stream) =
        (rtsp.local_addr(), CancellationToken::new(), camera.stream().clone());
    tokio::spawn(rtsp.run(access.clone(), stop.clone()));
    House { access, addr, stream, stop }
}

impl House {
    /// Sound only: every unit is an entry point and nothing has to be decoded.
    fn publish(&self) -> Publisher {
        let codec = Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 1 };
        self.stream
            .publish(self.access.clock.now(), "the test", Catalog::new([(codec, 8000)]))
            .unwrap()
    }

    fn push(&self, publisher: &Publisher, pts: i64, bytes: usize) {
        let now = self.access.clock.now();
        let payload = [Bytes::from(vec![7; bytes])].into_iter().collect();
        publisher
            .push(now, AccessUnit::new(TrackId(0), pts, true, Timing::arrived(now), payload))
            .unwrap();
    }

    async fn client(&self) -> Client {
        Client { stream: TcpStream::connect(self.addr).await.unwrap(), unread: Vec::new() }
    }

    async fn player(&self) -> Client {
        let mut client = self.client().await;
        client
            .ask("SETUP", "/cam/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            .await;
        let session = client.last_header("Session: ").split(';').next().unwrap().to_owned();
        assert!(
            client
                .ask("PLAY", "/cam/", &format!("Session: {session}"))
                .await
                .starts_with("RTSP/1.0 200")
        );
        client
    }
}

struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    async fn ask(&mut self, method: &str, path: &str, fields: &str) -> String {
        self.send(method, path, fields).await;
        self.unread.clear();
        self.read_until(|bytes| bytes.windows(4).any(|w| w == b"\r\n\r\n")).await;
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    async fn send(&mut self, method: &str, path: &str, fields: &str) {
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
        let request = format!("{method} rtsp://h{path} RTSP/1.0\r\nCSeq: 1\r\n{fields}\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    async fn read_until(&mut self, done: impl Fn(&[u8]) -> bool) {
        let mut buffer = vec![0; 1 << 16];
        while !done(&self.unread) {
            let n = soon(self.stream.read(&mut buffer)).await.unwrap();
            assert!(n > 0, "hung up after {:?}", String::from_utf8_lossy(&self.unread));
            self.unread.extend_from_slice(&buffer[..n]);
        }
    }

    fn last_header(&self, name: &str) -> String {
        let text = String::from_utf8_lossy(&self.unread).into_owned();
        text.lines().find_map(|l| l.strip_prefix(name)).unwrap().to_owned()
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.unwrap()
}

/// Waits for something that no event tells of.
async fn until(mut done: impl FnMut() -> bool) {
    soon(async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_player_reports_of_its_link_is_noted_and_the_administrator_ends_it() {
    let house = house().await;
    let publisher = house.publish();
    house.push(&publisher, 0, 160);
    let mut client = house.client().await;
    client.ask("SETUP", "/cam/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1").await;
    let ssrc = client.last_header("Transport: ").split("ssrc=").nth(1).unwrap()[..8].to_owned();
    let session = client.last_header("Session: ").split(';').next().unwrap().to_owned();
    client.ask("PLAY", "/cam/", &format!("Session: {session}")).await;
    let list = || house.access.viewers.list();
    assert_eq!((list().len(), list()[0].facts.loss.get()), (1, None));

    let last_report = (house.access.clock.pair().wall.to_ntp() >> 16) as u32;
    let ssrc = u32::from_str_radix(&ssrc, 16).unwrap();
    for (ssrc, fraction_lost) in [(ssrc, 64), (ssrc + 1, 128)] {
        let block = ReportBlock { ssrc, fraction_lost, last_report, ..ReportBlock::default() };
        let report = rtcp::write_receiver_report(1, Some(&block), "me");
        let frame = [&[b'$', 1, 0, report.len() as u8], &report[..]].concat();
        client.stream.write_all(&frame).await.unwrap();
    }
    client.ask("OPTIONS", "/cam", "").await;
    let player = list().remove(0);
    assert_eq!(player.facts.loss.get(), Some(250_000), "a quarter; the other report is of nobody");
    assert!(player.facts.rtt.get().is_some_and(|us| us < 10_000_000), "{:?}", player.facts.rtt);

    house.access.viewers.end(&player.id()).unwrap();
    client.stream.read_to_end(&mut client.unread).await.unwrap();
    assert!(list().is_empty());
}

#[tokio::test]
async fn a_player_gets_frames_and_the_clock_and_answers_between_them() {
    let house = house().await;
    let publisher = house.publish();
    house.push(&publisher, 0, 160);
    let mut client = house.player().await;
    house.push(&publisher, 160, 160);
    // RTP of 12 + 160 bytes on channel 0, a sender report on channel 1.
    client.read_until(|b| b.windows(4).filter(|w| *w == [b'$', 0, 0, 172]).count() == 2).await;
    assert!(client.unread.windows(4).any(|w| w[..2] == *b"$\x01"), "no sender report");
    assert!(client.ask("OPTIONS", "/cam", "").await.contains("Public: "));
}

#[tokio::test]
async fn a_stopped_player_skips_to_the_newest_and_nobody_waits_for_it() {
    let house = house().await;
    let publisher = house.publish();
    house.push(&publisher, 0, 160);
    let (mut stopped, mut other) = (house.player().await, house.player().await);
    // More than the ring (32 MiB) and both sockets' buffers hold.
    let frames = 3000;
    for i in 1..=frames {
        house.push(&publisher, i * 160, 20_000);
        if i % 50 == 0 {
            other.unread.clear();
            other.read_until(|b| b.len() >= 50 * 20_000).await;
        }
    }
    assert!(house.stream.ring_bytes() <= 32 << 20);
    assert_eq!(house.stream.stats().skipped, 0, "nobody has been asked yet");
    // It reads on, and after what the kernel held comes something much newer.
    let read = async {
        let mut buffer = vec![0; 1 << 20];
        let mut total = 0;
        while house.stream.stats().skipped == 0 {
            total += stopped.stream.read(&mut buffer).await.unwrap();
        }
        total
    };
    let total = soon(read).await;
    assert!(total < 30 << 20, "{total} bytes were held for the stopped player");
    assert!(house.stream.stats().skipped > 500, "{:?}", house.stream.stats());
}

#[tokio::test]
async fn describe_waits_for_a_publisher_and_is_demand() {
    let house = house().await;
    let mut client = house.client().await;
    client.send("DESCRIBE", "/cam", "").await;
    until(|| house.stream.demand().borrow().readers() == 1).await;
    let publisher = house.publish();
    house.push(&publisher, 0, 160);
    client.read_until(|b| b.ends_with(b" PCMU/8000\r\n")).await;
    until(|| house.stream.demand().borrow().readers() == 0).await;
}

#[tokio::test]
async fn a_client_that_stops_waiting_is_no_demand() {
    let house = house().await;
    let mut client = house.client().await;
    client.send("DESCRIBE", "/cam", "").await;
    until(|| house.stream.demand().borrow().readers() == 1).await;
    drop(client);
    until(|| house.stream.demand().borrow().readers() == 0).await;
}

#[tokio::test]
async fn unknown_cameras_and_strange_protocols_are_told_so() {
    let house = house().await;
    let answer = house.client().await.ask("DESCRIBE", "/cat", "").await;
    assert!(answer.starts_with("RTSP/1.0 404 Not Found: ") && answer.contains("cat"), "{answer}");
    let mut client = house.client().await;
    client.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(client.stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("RTSP/1.0 400 "), "{answer}");
}

#[tokio::test]
async fn too_many_connections_are_turned_away_with_a_word() {
    let house = house().await;
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        held.push(house.client().await);
    }
    let mut answer = String::new();
    soon(house.client().await.stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("RTSP/1.0 503 "), "{answer}");
    drop(held);
    let mut served = false;
    while !served {
        let mut client = house.client().await;
        client.send("OPTIONS", "/", "").await;
        let mut answer = vec![0; 12];
        served =
            soon(client.stream.read_exact(&mut answer)).await.is_ok() && answer == b"RTSP/1.0 200";
    }
}

#[tokio::test]
async fn a_removed_camera_says_goodbye() {
    let house = house().await;
    let publisher = house.publish();
    house.push(&publisher, 0, 160);
    let mut player = house.player().await;
    house.access.cameras.remove("cam", "the camera was removed", house.access.clock.now());
    let mut rest = Vec::new();
    soon(player.stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.windows(2).any(|w| w == [0x81, 203]), "no BYE");
}

#[tokio::test]
async fn stopping_the_server_ends_every_connection() {
    let house = house().await;
    let mut client = house.client().await;
    client.ask("OPTIONS", "/", "").await;
    house.stop.cancel();
    assert_eq!(soon(client.stream.read_to_end(&mut Vec::new())).await.unwrap(), 0);
}
