use super::*;
use proto::webrtc::batch::Batch;
use std::io::Read;
use tokio::time::timeout;

const VIEWER: ViewerId = 7;
const SOON: Duration = Duration::from_secs(5);
const PACKET: usize = 1000;

struct Port {
    tcp: Tcp,
    at: SocketAddr,
    waits: Vec<Wait>,
}

impl Port {
    fn open() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        Self { tcp: Tcp::new(Clock::new(), Some(listener)).unwrap(), at, waits: Vec::new() }
    }

    /// A browser's end, and how many connections were closed for it.
    async fn connect(&mut self) -> (std::net::TcpStream, u64) {
        let far = std::net::TcpStream::connect(self.at).unwrap();
        far.set_read_timeout(Some(SOON)).unwrap();
        let accepted = timeout(SOON, self.tcp.accept()).await.unwrap();
        let closed = self.tcp.admit(accepted);
        (far, closed)
    }

    /// A browser that is known to be one.
    async fn viewer(&mut self) -> (std::net::TcpStream, Route) {
        let (far, _) = self.connect().await;
        let path =
            Path { transport: Transport::Tcp, local: self.at, remote: far.local_addr().unwrap() };
        let route = Route::of(path);
        assert!(self.tcp.vouch(Key::of(route), VIEWER));
        // The runtime must have looked at the socket once.
        let stream = self.tcp.connections[&Key::of(route)].stream.clone();
        timeout(SOON, stream.writable()).await.unwrap().unwrap();
        (far, route)
    }

    /// Waits until something is ready.
    async fn ready(&mut self) -> Ready {
        self.waits.extend(self.tcp.new_waits());
        let (ready, _, rest) =
            timeout(SOON, futures::future::select_all(std::mem::take(&mut self.waits)))
                .await
                .unwrap();
        self.waits = rest;
        ready
    }

    fn send(&mut self, route: Route, numbers: impl Iterator<Item = u32>) -> Sent {
        let mut batch = Batch::default();
        for number in numbers {
            assert!(batch.write(route, |out| {
                out.extend_from_slice(&number.to_be_bytes());
                out.resize(out.len() + PACKET - 4, 7);
            }));
        }
        self.tcp.send(&batch.run().unwrap())
    }
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let mut deframer = Deframer::default();
    deframer.push(bytes);
    let mut out = Vec::new();
    while let Some(frame) = deframer.next_frame().unwrap() {
        assert_eq!(frame.len(), PACKET);
        out.push(u32::from_be_bytes(frame[..4].try_into().unwrap()));
    }
    out
}

#[tokio::test]
async fn packets_arrive_framed() {
    let mut port = Port::open();
    let (mut far, route) = port.viewer().await;
    assert_eq!(port.send(route, 0..5), Sent::All { calls: 1 });
    assert_eq!(port.tcp.room(route), ROOM);
    let mut got = vec![0; 5 * (PACKET + 2)];
    far.read_exact(&mut got).unwrap();
    assert_eq!(numbers(&got), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_browser_that_stops_reading_is_held_little_for_and_goes_on_with_whole_packets() {
    let mut port = Port::open();
    let (mut far, route) = port.viewer().await;
    // Obeys as a viewer does, until there is no room.
    let mut sent = 0;
    while port.tcp.room(route) > 0 {
        assert!(
            matches!(port.send(route, sent..sent + 16), Sent::All { .. }),
            "nothing is lost while there was room"
        );
        sent += 16;
        assert!(sent < 100_000, "the kernel takes everything");
    }
    // Then does not.
    let mut kept = sent;
    while let Sent::All { .. } = port.send(route, kept..kept + 1) {
        kept += 1;
    }
    assert!((kept - sent) as usize * PACKET < 140 << 10, "{}", kept - sent);

    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        far.read_to_end(&mut got).map(|_| got)
    });
    loop {
        let ready = port.ready().await;
        if ready.what == What::Writable && port.tcp.handle_writable(ready.key) == Some(VIEWER) {
            break;
        }
    }
    assert_eq!(port.tcp.room(route), ROOM);
    port.tcp.leave(VIEWER);
    let got = reader.join().unwrap().unwrap();
    assert_eq!(numbers(&got), (0..kept).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_oldest_stranger_gives_way_and_viewers_stay() {
    let mut port = Port::open();
    let (_viewer, route) = port.viewer().await;
    let mut strangers = Vec::new();
    for i in 0..MAX_STRANGERS + 3 {
        let (far, closed) = port.connect().await;
        assert_eq!(closed, u64::from(i >= MAX_STRANGERS));
        strangers.push(far);
    }
    assert_eq!(strangers[0].read(&mut [0]).unwrap(), 0);
    assert_eq!((port.tcp.connections.len(), port.tcp.room(route)), (MAX_STRANGERS + 1, ROOM));
}

#[tokio::test]
async fn a_viewer_has_so_many_connections_and_takes_them_along() {
    let mut port = Port::open();
    let mut all = Vec::new();
    for _ in 0..MAX_PER_VIEWER {
        all.push(port.viewer().await.0);
    }
    let (one_more, _) = port.connect().await;
    assert!(
        !port
            .tcp
            .vouch(Key { remote: one_more.local_addr().unwrap(), local: port.at.ip() }, VIEWER)
    );
    port.tcp.leave(VIEWER);
    assert_eq!(all[3].read(&mut [0]).unwrap(), 0);
    assert_eq!(port.tcp.connections.len(), 1);
}

#[tokio::test]
async fn who_hangs_up_is_forgotten_and_a_new_connection_from_there_is_another() {
    let mut port = Port::open();
    let (far, route) = port.viewer().await;
    drop(far);
    let ready = port.ready().await;
    assert!(port.tcp.is_current(&ready) && ready.what == What::Readable);
    assert!(port.tcp.receive(ready.key).is_none());
    assert!(!port.tcp.is_current(&ready));
    assert_eq!((port.tcp.room(route), port.send(route, 0..1)), (0, Sent::Refused));
}
