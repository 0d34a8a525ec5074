//! One session with a camera: from the first connection to the last packet.

use super::{
    faults::{self, Step},
    observer::Observer,
    target::{Target, Wanted},
};
use crate::{
    publication::Publication,
    supervise::{Context, Exit, Fault},
};
use bytes::Bytes;
use futures::StreamExt;
use hub::Publisher;
use media::{Catalog, MediaKind, TrackId};
use proto::{
    rtp::receive::{Together, TrackReceiver, Transport},
    sdp::{self, Format},
};
use retina::client::{
    self, Described, InitialTimestampPolicy, PacketItem, PlayOptions, Playing, Session,
    SessionGroup, SessionIdPolicy, SessionOptions, SetupOptions, UnknownRtcpSsrcPolicy,
};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::time::{Instant, error::Elapsed, timeout_at};

/// From the first packet sent to the answer to PLAY.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// From the answer to PLAY to the first packet. Cameras begin at once, or have forgotten to: then
/// asking again helps.
const BEGIN_WITHIN: Duration = Duration::from_secs(8);
/// Tracks set up at most: one picture, one sound. Cameras that offer more repeat themselves.
const MAX_EACH: usize = 1;

/// A session that plays.
pub(super) struct Opened {
    session: Session<Playing>,
    pub(super) catalog: Catalog,
    /// By the index of the library's streams.
    lanes: Vec<Option<Lane>>,
    /// Tracks of the camera that are left out, and why.
    pub(super) ignored: Vec<String>,
    /// `tcp` or `udp`.
    pub(super) transport: &'static str,
}

/// One track on its way in.
struct Lane {
    track: usize,
    receiver: TrackReceiver,
}

/// Connects, sets up every track that can be carried, and starts the stream.
pub(super) async fn open(target: &Target, group: Arc<SessionGroup>) -> Result<Opened, Exit> {
    faults::check_scheme(target)?;
    let dial = Dial { target, deadline: Instant::now() + CONNECT_WITHIN };
    let options = SessionOptions::default()
        .creds(target.credentials.clone())
        .user_agent(concat!("neverblink/", env!("CARGO_PKG_VERSION")).to_owned())
        .session_id(SessionIdPolicy::UseFirst)
        .session_group(group);
    let mut session =
        dial.step(Step::Describe, Session::describe(target.url.clone(), options)).await?;
    let plan = Plan::new(target, &session)?;
    let mut transport = target.transport;
    for (index, _) in &plan.tracks {
        transport = dial.set_up(&mut session, *index, transport).await?;
    }
    let play = PlayOptions::default()
        .initial_timestamp(InitialTimestampPolicy::Ignore)
        .unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::ProcessPackets);
    let session = dial.step(Step::Play, session.play(play)).await?;
    let transport = if transport == Wanted::Udp { "udp" } else { "tcp" };
    Ok(plan.opened(session, transport))
}

/// Talks to a camera that must have answered everything by a deadline.
struct Dial<'a> {
    target: &'a Target,
    deadline: Instant,
}

impl Dial<'_> {
    async fn step<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, retina::Error>>,
    ) -> Result<T, Exit> {
        match timeout_at(self.deadline, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(faults::exit(self.target, step, &error)),
            Err(_) => Err(faults::no_answer(self.target, step, CONNECT_WITHIN)),
        }
    }

    /// Sets up a track, and returns the transport for the next one.
    async fn set_up(
        &self,
        session: &mut Session<Described>,
        index: usize,
        wanted: Wanted,
    ) -> Result<Wanted, Exit> {
        let options = |transport: client::Transport| SetupOptions::default().transport(transport);
        let first = timeout_at(self.deadline, session.setup(index, options(wanted.first()))).await;
        match first {
            Ok(Err(error)) if wanted == Wanted::Any && error.status_code() == Some(461) => {
                self.step(Step::Setup, session.setup(index, options(Wanted::Udp.first()))).await?;
                Ok(Wanted::Udp)
            }
            Ok(first) => self.step(Step::Setup, std::future::ready(first)).await.map(|()| wanted),
            Err(_) => Err(faults::no_answer(self.target, Step::Setup, CONNECT_WITHIN)),
        }
    }
}

/// Which of the camera's streams become tracks.
struct Plan {
    streams: usize,
    /// Index of the library's stream, and how to read its packets.
    tracks: Vec<(usize, Format)>,
    ignored: Vec<String>,
}

impl Plan {
    fn new(target: &Target, session: &Session<Described>) -> Result<Self, Exit> {
        let refused =
            |words: String| Exit::new(Fault::Refused, format!("{}: {words}", target.address()));
        let media = sdp::parse(session.sdp()).map_err(|error| refused(error.to_string()))?;
        let mut plan =
            Self { streams: session.streams().len(), tracks: Vec::new(), ignored: Vec::new() };
        let mut free: Vec<_> =
            session.streams().iter().map(client::Stream::rtp_payload_type).map(Some).collect();
        for medium in media {
            match medium.format {
                Ok(format) => plan.add(format, &mut free),
                Err(why) => plan.ignored.push(why.to_string()),
            }
        }
        match plan.tracks.is_empty() {
            false => Ok(plan),
            true => {
                Err(refused(format!("nothing that can be carried: {}", plan.ignored.join("; "))))
            }
        }
    }

    /// The library leaves out media that it cannot read, so that its streams are found by payload
    /// type.
    fn add(&mut self, format: Format, free: &mut [Option<u8>]) {
        let kind = format.codec.kind();
        let same = self.tracks.iter().filter(|(_, f)| f.codec.kind() == kind).count();
        let stream =
            free.iter().position(|payload_type| *payload_type == Some(format.payload_type));
        match stream {
            Some(index) if same < MAX_EACH => {
                free[index] = None;
                self.tracks.push((index, format));
            }
            Some(_) => self.ignored.push(format!(
                "a second {} track ({})",
                kind_name(kind),
                format.codec.name()
            )),
            None => {
                self.ignored.push(format!("{}, whose description is broken", format.codec.name()));
            }
        }
    }

    fn opened(self, session: Session<Playing>, transport: &'static str) -> Opened {
        let mut lanes: Vec<_> = std::iter::repeat_with(|| None).take(self.streams).collect();
        let together = Together::default();
        for (track, (stream, format)) in self.tracks.iter().enumerate() {
            // The library has put packets into order, over UDP too, or dropped them.
            let mut receiver = TrackReceiver::new(TrackId(track as u8), format, Transport::Ordered);
            receiver.keep_together(&together);
            lanes[*stream] = Some(Lane { track, receiver });
        }
        let catalog = Catalog::new(
            self.tracks.into_iter().map(|(_, format)| (format.codec, format.clock_rate)),
        );
        Opened { session, catalog, lanes, ignored: self.ignored, transport }
    }
}

const fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
    }
}

impl Opened {
    /// Publishes what comes until the session ends, or until it is to: then the publisher is still
    /// there.
    pub(super) async fn receive(
        self,
        target: &Target,
        ctx: &Context,
        observer: &Observer,
    ) -> (Exit, Option<Publisher>) {
        let publisher = match ctx.publish(target.label(), self.catalog.clone()) {
            Ok(publisher) => publisher,
            Err(exit) => return (exit, None),
        };
        let Self { mut session, catalog, lanes, .. } = self;
        let mut desk =
            Desk { ctx, publication: Publication::new(publisher, catalog), lanes, observer };
        let mut begin_until = Some(Instant::now() + BEGIN_WITHIN);
        let exit = loop {
            let next = tokio::select! {
                () = ctx.stop.cancelled() => return (Exit::stopped(), Some(desk.publication.into_publisher())),
                next = next(&mut session, begin_until) => next,
            };
            let taken = match next {
                Ok(Some(Ok(item))) => {
                    begin_until = begin_until.filter(|_| !matches!(item, PacketItem::Rtp(_)));
                    desk.take(item)
                }
                Ok(Some(Err(error))) => Err(faults::exit(target, Step::Receive, &error)),
                Ok(None) => Err(faults::closed(target)),
                Err(_) => Err(faults::silent(target, BEGIN_WITHIN)),
            };
            if let Err(exit) = taken {
                break exit;
            }
        };
        desk.publication.finish(ctx.clock.now(), exit.words.clone());
        (exit, None)
    }
}

/// What comes next; an error if that is nothing `until` then.
async fn next(
    session: &mut Session<Playing>,
    until: Option<Instant>,
) -> Result<Option<Result<PacketItem, retina::Error>>, Elapsed> {
    match until {
        Some(until) => timeout_at(until, session.next()).await,
        None => Ok(session.next().await),
    }
}

/// Where packets become published units.
struct Desk<'a> {
    ctx: &'a Context,
    publication: Publication,
    lanes: Vec<Option<Lane>>,
    observer: &'a Observer,
}

impl Desk<'_> {
    fn take(&mut self, item: PacketItem) -> Result<(), Exit> {
        let clock = self.ctx.clock;
        let index = match &item {
            PacketItem::Rtp(packet) => packet.stream_id(),
            PacketItem::Rtcp(packet) => packet.stream_id(),
            _ => return Ok(()),
        };
        let Some(Lane { track, receiver }) = self.lanes.get_mut(index).and_then(Option::as_mut)
        else {
            return Ok(());
        };
        match item {
            PacketItem::Rtp(packet) => {
                receiver.handle_rtp(
                    clock.mono(packet.ctx().received()),
                    Bytes::copy_from_slice(packet.raw()),
                );
            }
            PacketItem::Rtcp(packet) => {
                let clocks = clock.pair();
                self.observer.note_rtcp(*track, &clocks, packet.raw());
                receiver.handle_rtcp(clock.mono(packet.ctx().received()), &clocks, packet.raw());
            }
            _ => {}
        }
        while let Some(received) = receiver.poll() {
            self.publication.take(clock.now(), *track, received)?;
        }
        self.observer.note_stats(*track, || receiver.stats());
        Ok(())
    }
}
