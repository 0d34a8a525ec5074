//! What is granted to whom: every request that names a camera is decided here.

use super::{
    connection::{Connection, Role},
    play::Player,
    record::{Announcement, Recorder},
    refusal,
    udp::UdpTracks,
};
use crate::{
    cameras::CameraError,
    viewers::{JoinRequest, Protocol, ViewerTransport},
};
use hub::{ReaderKind, ReaderOptions, Start, Stream};
use media::{Catalog, MediaKind};
use proto::{
    rtp::receive,
    rtsp::{Answer, Ask, Lower, Question, Refusal, StatusCode, Usage},
    sdp,
};
use std::{io, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long DESCRIBE waits for a camera that has no picture yet. Clients give up after 5 to 20 s.
const DESCRIBE_WAIT: Duration = Duration::from_secs(10);

type Decision = Result<Answer, Refusal>;

impl Connection {
    /// Decides what the client asked for.
    pub(super) async fn decide(&mut self, Question { name, ask }: Question) {
        let decision = match ask {
            Ask::Describe => self.describe(&name).await,
            Ask::Announce(description) => self.announce(&name, &description),
            Ask::Setup { usage, track, lower } => self.set_up(&name, usage, track, lower),
            Ask::Play => self.play(),
            Ask::Record => self.record(),
        };
        let answer = decision.unwrap_or_else(|refusal| {
            tracing::warn!(peer = %self.peer, camera = name, reason = refusal.detail, "RTSP request refused");
            Answer::Refused(refusal)
        });
        self.server.answer(self.access.clock.now(), answer);
    }

    async fn describe(&mut self, name: &str) -> Decision {
        let stream = self.access.cameras.play(name).map_err(|e| refusal::camera(&e))?;
        let catalog = match (&self.role, usable(&stream)) {
            (_, Some(catalog)) => catalog,
            // A session is running on this connection: it must not stand still meanwhile.
            (Role::Play(_) | Role::Record(_), None) => {
                return Err(refusal::offline(name, &stream.status()));
            }
            (Role::Idle, None) => self.await_catalog(&stream).await?,
        };
        if !catalog.tracks.iter().any(|track| proto::rtp::send::carries(&track.codec)) {
            return Err(refusal::camera(&CameraError::not_carried(&stream, &catalog, "RTSP")));
        }
        self.described = Some(catalog.clone());
        Ok(Answer::Description(sdp::describe(name, self.access.clock.now().as_nanos(), &catalog)))
    }

    /// Waits as a reader, so that a source that runs on demand starts; gives up when the client
    /// does.
    async fn await_catalog(&self, stream: &Arc<Stream>) -> Result<Arc<Catalog>, Refusal> {
        let _demand = stream.subscribe(ReaderOptions {
            start: Start::NextKey,
            ..ReaderOptions::of(ReaderKind::Waiter)
        });
        let mut changes = stream.changes();
        let appears = async {
            loop {
                if let Some(catalog) = usable(stream) {
                    return Some(catalog);
                }
                changes.changed().await.ok()?;
            }
        };
        let found = tokio::select! {
            found = timeout(DESCRIBE_WAIT, appears) => found.ok().flatten(),
            () = self.hung_up() => None,
            () = self.stop.cancelled() => None,
        };
        // Parameter sets may still be missing; then the client has to find them in band.
        found
            .or_else(|| stream.catalog())
            .ok_or_else(|| refusal::offline(stream.name(), &stream.status()))
    }

    /// Ends when the client has closed the connection and nothing it sent remains to be read.
    async fn hung_up(&self) {
        let mut next = [0];
        match self.stream.peek(&mut next).await {
            Ok(0) | Err(_) => {}
            Ok(_) => std::future::pending().await,
        }
    }

    fn announce(&mut self, name: &str, description: &[u8]) -> Decision {
        let stream = self.access.cameras.publish(name).map_err(|e| refusal::camera(&e))?;
        let announced = Announcement::parse(description)?;
        let controls = announced.controls.clone();
        let by = format!("rtsp publisher {}", self.peer);
        let recorder = Recorder::begin(self.access.clock.now(), &stream, &by, announced)?;
        self.role = Role::Record(Box::new(recorder));
        Ok(Answer::Announced(controls))
    }

    fn set_up(&mut self, name: &str, usage: Usage, track: Option<usize>, lower: Lower) -> Decision {
        let (track, ssrc) = match usage {
            Usage::Play => {
                self.set_up_play(name, track, lower).map(|(track, ssrc)| (track, Some(ssrc)))?
            }
            Usage::Record => (self.set_up_record(track, lower)?, None),
        };
        let ports = self
            .open_ports(track, lower)
            .map_err(|e| refusal::internal("cannot open a pair of UDP ports", &e))?;
        Ok(Answer::Setup { track, ssrc, ports })
    }

    fn set_up_play(
        &mut self,
        name: &str,
        track: Option<usize>,
        lower: Lower,
    ) -> Result<(usize, u32), Refusal> {
        // After a first SETUP that was refused there is a player without a session, perhaps of
        // another camera.
        match &mut self.role {
            Role::Play(player) if **player.name() == *name => return player.set_up(track),
            _ => {}
        }
        let stream = self.access.cameras.play(name).map_err(|e| refusal::camera(&e))?;
        let catalog = self.described.clone().or_else(|| stream.catalog());
        let catalog = catalog.ok_or_else(|| refusal::offline(name, &stream.status()))?;
        let mut player = Player::new(stream, catalog, matches!(lower, Lower::Udp { .. }));
        let set_up = player.set_up(track)?;
        self.role = Role::Play(Box::new(player));
        Ok(set_up)
    }

    fn set_up_record(&mut self, track: Option<usize>, lower: Lower) -> Result<usize, Refusal> {
        let wrong = || Refusal::new(StatusCode::MethodNotValidInThisState, "ANNOUNCE comes first");
        let (Role::Record(recorder), Some(track)) = (&mut self.role, track) else {
            return Err(wrong());
        };
        let transport = match lower {
            Lower::Interleaved(_) => receive::Transport::Ordered,
            Lower::Udp { .. } => receive::Transport::Unordered,
        };
        recorder.set_up(track, transport);
        Ok(track)
    }

    fn open_ports(&mut self, track: usize, lower: Lower) -> io::Result<Option<(u16, u16)>> {
        let Lower::Udp { rtp, rtcp } = lower else { return Ok(None) };
        let peer = self.peer.ip();
        let udp = self.udp.get_or_insert_with(|| UdpTracks::new(peer));
        udp.open(self.local, track, (rtp, rtcp)).map(Some)
    }

    fn play(&mut self) -> Decision {
        let Role::Play(player) = &mut self.role else { return Err(no_session()) };
        if !player.is_seated() {
            let dismissed = self.dismissed.clone();
            let request = JoinRequest {
                protocol: Protocol::Rtsp,
                stream: player.name(),
                end: Arc::new(move |_| dismissed.cancel()),
            };
            let handle = self
                .access
                .viewers
                .join(request, self.access.clock.pair())
                .map_err(|r| refusal::viewer(&r))?;
            handle.set_connected(
                if self.udp.is_some() { ViewerTransport::Udp } else { ViewerTransport::Tcp },
                Some(self.peer),
            );
            player.take_seat(handle);
        }
        let infos = player.play();
        tracing::info!(camera = %player.name(), peer = %self.peer, udp = self.udp.is_some(), "RTSP player begins");
        Ok(Answer::Playing(infos))
    }

    fn record(&mut self) -> Decision {
        let Role::Record(recorder) = &self.role else { return Err(no_session()) };
        tracing::info!(camera = %recorder.name(), peer = %self.peer, udp = self.udp.is_some(), "RTSP publisher begins");
        Ok(Answer::Recording)
    }
}

/// The catalogue, if a client can begin to decode by it.
fn usable(stream: &Stream) -> Option<Arc<Catalog>> {
    let known = |c: &Arc<Catalog>| {
        let mut video = c.tracks.iter().filter(|t| t.codec.kind() == MediaKind::Video);
        video.all(|t| t.codec.video_params().is_some())
    };
    stream.catalog().filter(known)
}

fn no_session() -> Refusal {
    Refusal::new(StatusCode::SessionNotFound, "there is no such session on this connection")
}
