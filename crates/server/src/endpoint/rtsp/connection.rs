//! One client: its socket, its conversation, and what it plays or publishes.

use super::{
    Access,
    outbox::Outbox,
    play::Player,
    record::Recorder,
    udp::{Datagram, UdpTracks},
};
use bytes::Bytes;
use futures::FutureExt;
use hub::Event as HubEvent;
use media::{AccessUnit, Catalog, Mono};
use proto::rtsp::{Event, Options, Server, interleaved_header};
use socket2::SockRef;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

/// Read from a connection at a time.
const READ: usize = 32 << 10;
/// Datagrams taken at one wake-up.
const BATCH: usize = 64;
/// How long the last answer may take to leave.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A client connection.
pub(super) struct Connection {
    pub(super) access: Access,
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) local: IpAddr,
    pub(super) server: Server,
    pub(super) outbox: Outbox,
    pub(super) udp: Option<UdpTracks>,
    pub(super) role: Role,
    /// What DESCRIBE last told, for a SETUP after the publisher has gone.
    pub(super) described: Option<Arc<Catalog>>,
    pub(super) stop: CancellationToken,
    /// Cancelled when an administrator sends this player away.
    pub(super) dismissed: CancellationToken,
}

/// What the session does.
pub(super) enum Role {
    /// There is none.
    Idle,
    /// It plays.
    Play(Box<Player>),
    /// It publishes.
    Record(Box<Recorder>),
}

/// Why a connection ends, in words.
pub(super) struct End(pub(super) String);

type Step = Result<(), End>;

enum Wake {
    Stop,
    Dismissed,
    Readable,
    Writable,
    Media(HubEvent),
    Datagram(Datagram),
    Timer,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, local: IpAddr, access: Access) -> Self {
        let id = format!("{:016x}", fastrand::u64(..));
        let server = Server::new(access.clock.now(), Options::new(id));
        let (outbox, role) = (Outbox::default(), Role::Idle);
        let (stop, dismissed) = (CancellationToken::new(), CancellationToken::new());
        Self {
            access,
            stream,
            peer,
            local,
            server,
            outbox,
            udp: None,
            role,
            described: None,
            stop,
            dismissed,
        }
    }

    /// Serves the client until it goes or `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.stop = stop;
        tracing::debug!(peer = %self.peer, "RTSP client connected");
        let End(reason) = loop {
            let wake = self.wait().await;
            if let Err(end) = self.handle(wake).await {
                break end;
            }
        };
        let stray = self.server.stray_frames();
        tracing::debug!(peer = %self.peer, reason, stray, "RTSP client disconnected");
        self.end_session(&reason);
        self.say_last_word().await;
    }

    fn now(&self) -> Mono {
        self.access.clock.now()
    }

    async fn wait(&mut self) -> Wake {
        let deadline = self.deadline();
        let held_back = self.held_back();
        let writing = !self.outbox.is_empty();
        let Self { stream, server, udp, role, stop, dismissed, access, .. } = self;
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(access.clock.instant(at).into()).await,
                None => std::future::pending().await,
            }
        };
        let media = async {
            match role {
                Role::Play(player) => player.next().await,
                _ => std::future::pending().await,
            }
        };
        let datagram = async {
            match udp {
                Some(udp) => udp.receive().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => Wake::Stop,
            () = dismissed.cancelled() => Wake::Dismissed,
            // While answers or a frame wait to be written, requests wait too: nothing piles up.
            _ = stream.readable(), if !writing && server.listens() => Wake::Readable,
            _ = stream.writable(), if writing => Wake::Writable,
            event = media, if !writing && !held_back => Wake::Media(event),
            datagram = datagram => Wake::Datagram(datagram),
            () = timer => Wake::Timer,
        }
    }

    /// When something is due that nobody else will wake this task for.
    fn deadline(&self) -> Option<Mono> {
        let media = match &self.role {
            Role::Idle => None,
            Role::Play(player) => player.resume_at().filter(|_| self.held_back()),
            Role::Record(recorder) => recorder.poll_timeout(),
        };
        self.server.poll_timeout().into_iter().chain(media).min()
    }

    /// The next frame must not leave yet.
    fn held_back(&self) -> bool {
        matches!(&self.role, Role::Play(player) if player.resume_at().is_some_and(|at| self.now() < at))
    }

    async fn handle(&mut self, wake: Wake) -> Step {
        match wake {
            Wake::Stop => return Err(End("the server is shutting down".into())),
            Wake::Dismissed => {
                self.send_goodbyes().await;
                return Err(End("an administrator ended it".into()));
            }
            Wake::Readable => self.read()?,
            Wake::Writable => {}
            Wake::Media(event) => self.handle_media(event).await?,
            Wake::Datagram(datagram) => self.handle_datagrams(datagram).await?,
            Wake::Timer => self.handle_timeout()?,
        }
        self.handle_events().await?;
        self.write()
    }

    fn read(&mut self) -> Step {
        let mut buffer = [0; READ];
        match self.stream.try_read(&mut buffer) {
            Ok(0) => Err(End("the client hung up".into())),
            Ok(n) => {
                // A publisher whose system gathers small writes (Nagle) holds the end of a frame
                // back until the beginning is acknowledged, for which Linux would take up to 40 ms.
                // The option wears off, so it is set anew each time.
                if matches!(self.role, Role::Record(_)) {
                    let _ = SockRef::from(&self.stream).set_tcp_quickack(true);
                }
                self.server.handle_input(self.now(), &buffer[..n]);
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(lost(&e)),
        }
    }

    fn write(&mut self) -> Step {
        let progress = self.outbox.write(&self.stream).map_err(|e| lost(&e))?;
        // A player that takes what is sent is alive, even if it never says a word.
        if progress && matches!(self.role, Role::Play(_)) {
            self.server.handle_activity(self.now());
        }
        Ok(())
    }

    fn handle_timeout(&mut self) -> Step {
        let now = self.now();
        self.server.handle_timeout(now);
        match &mut self.role {
            Role::Record(recorder) => recorder.handle_timeout(now).map_err(|e| End(e.to_string())),
            _ => Ok(()),
        }
    }

    async fn handle_events(&mut self) -> Step {
        loop {
            let event = self.server.poll_event();
            while let Some(answer) = self.server.poll_output() {
                self.outbox.push(&[], answer);
            }
            match event {
                None => return Ok(()),
                Some(Event::Question(question)) => self.decide(question).await,
                Some(Event::Data { track, rtcp, payload }) => {
                    self.handle_packet(track, rtcp, payload).await?;
                }
                Some(Event::Paused) => {
                    if let Role::Play(player) = &mut self.role {
                        player.pause();
                    }
                }
                Some(Event::Ended(reason)) => self.end_session(&reason),
                Some(Event::Closed(reason)) => return Err(End(reason)),
            }
        }
    }

    async fn handle_datagrams(&mut self, first: Datagram) -> Step {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(Datagram { track, rtcp, payload }) = next else { break };
            self.server.handle_activity(self.now());
            self.handle_packet(track, rtcp, payload).await?;
            next = self.udp.as_mut().and_then(|udp| udp.receive().now_or_never());
        }
        Ok(())
    }

    /// A packet from the client, however it came. Of a player only its reports are of interest.
    async fn handle_packet(&mut self, track: usize, rtcp: bool, packet: Bytes) -> Step {
        let clocks = self.access.clock.pair();
        if let (Role::Play(player), true) = (&self.role, rtcp) {
            player.handle_report(&clocks, &packet);
        }
        let Role::Record(recorder) = &mut self.role else { return Ok(()) };
        recorder.handle(&clocks, track, rtcp, packet).map_err(|e| End(e.to_string()))?;
        if let Some(report) = recorder.report(clocks.mono, track) {
            self.send_rtcp(track, report).await;
        }
        Ok(())
    }

    async fn handle_media(&mut self, event: HubEvent) -> Step {
        match event {
            HubEvent::Unit(unit, _) => self.send_unit(&unit).await,
            HubEvent::Catalog(catalog) => {
                if let Role::Play(player) = &mut self.role {
                    player.follow(&catalog);
                }
            }
            HubEvent::Skipped { units } => {
                if let Role::Play(player) = &mut self.role {
                    player.handle_skipped(units);
                }
                tracing::warn!(peer = %self.peer, units, "an RTSP player is too slow and skips to the newest keyframe");
            }
            HubEvent::Status(_) => {}
            HubEvent::Ended(reason) => {
                self.send_goodbyes().await;
                return Err(End(reason.to_string()));
            }
        }
        Ok(())
    }

    async fn send_unit(&mut self, unit: &AccessUnit) {
        let clocks = self.access.clock.pair();
        let Role::Play(player) = &mut self.role else { return };
        let Some((track, packets)) = player.packets(clocks.mono, unit) else { return };
        match &mut self.udp {
            Some(udp) => udp.send_all(track, packets).await,
            None => {
                let (channel, _) = self.server.channels(track).unwrap_or_default();
                for (header, fragment) in packets {
                    let length = (header.len() + fragment.len()).try_into().unwrap_or(u16::MAX);
                    self.outbox.push(
                        &[&interleaved_header(channel, length), &header, &fragment.head],
                        fragment.body.clone(),
                    );
                }
            }
        }
        if let Some(report) = player.report(track, &clocks) {
            self.send_rtcp(track, report).await;
        }
    }

    async fn send_goodbyes(&mut self) {
        let Role::Play(player) = &self.role else { return };
        for (track, goodbye) in player.goodbyes() {
            self.send_rtcp(track, goodbye).await;
        }
    }

    async fn send_rtcp(&mut self, track: usize, packet: Bytes) {
        match (&mut self.udp, self.server.channels(track)) {
            (Some(udp), _) => udp.send_rtcp(track, &packet).await,
            // A report that cannot leave now is worth nothing later.
            (None, Some((_, channel))) => {
                self.outbox.push(&[&interleaved_header(channel, packet.len() as u16)], packet);
            }
            (None, None) => {}
        }
    }

    /// Ends what the session does, for the reason given in words.
    fn end_session(&mut self, reason: &str) {
        let peer = self.peer;
        match std::mem::replace(&mut self.role, Role::Idle) {
            Role::Idle => {}
            Role::Play(player) => {
                let stats = player.stats();
                let (camera, units, bytes, skipped) =
                    (player.name(), stats.units, stats.bytes, stats.skipped);
                tracing::info!(%camera, %peer, reason, units, bytes, skipped, "RTSP player gone");
            }
            Role::Record(recorder) => {
                let (packets, lost, malformed) = recorder.counts();
                tracing::info!(camera = %recorder.name(), %peer, reason, packets, lost, malformed, "RTSP publisher gone");
                recorder.finish(self.now(), format!("rtsp publisher {peer}: {reason}"));
            }
        }
        self.udp = None;
        self.described = None;
    }

    /// Sends what is still to be sent, within reason.
    async fn say_last_word(&mut self) {
        while let Some(answer) = self.server.poll_output() {
            self.outbox.push(&[], answer);
        }
        let flush = async {
            while self.outbox.write(&self.stream).is_ok() && !self.outbox.is_empty() {
                if self.stream.writable().await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(LAST_WORD, flush).await;
    }
}

/// A peer that closes with answers still unread resets the connection; that is no other thing than
/// hanging up.
fn lost(error: &io::Error) -> End {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            End("the client hung up".into())
        }
        io::ErrorKind::TimedOut => End("the client no longer answers".into()),
        _ => End(format!("the connection broke: {error}")),
    }
}
