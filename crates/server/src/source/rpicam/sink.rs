//! Where the frames of rpicam-vid go: from its output to the hub.

use super::{annexb::Assembler, feed::Feed, stderr_parser::StderrParser};
use crate::{
    source::{
        child::Child,
        intake::{Intake, quiet},
    },
    supervise::{Context, Exit, Fault},
    workers::Hears,
};
use bytes::Bytes;
use media::{Mono, ts::TsDemuxer};
use std::{collections::VecDeque, net::Ipv4Addr, sync::Arc};
use tokio::{io::AsyncReadExt, net::UdpSocket, sync::mpsc};

/// Read at once: as much as a pipe holds.
const READ: usize = 64 << 10;
/// Times of frames that have not been read yet.
const TIMES: usize = 64;

/// What takes the frames.
pub(super) enum Sink<'a> {
    /// MPEG-TS in datagrams.
    Datagrams(UdpSocket, Box<Intake<'a, TsDemuxer>>),
    /// H.264 with nothing but start codes.
    Stream(Box<Stream<'a>>),
}

impl<'a> Sink<'a> {
    /// Makes one, and tells where the program is to write, and who is to hear its standard error.
    ///
    /// # Errors
    /// If no port is to be had.
    pub(super) async fn new(
        datagrams: bool,
        ctx: &'a Context,
        label: &'a Arc<str>,
        ignored: &'a mut Vec<String>,
        stderr: &StderrParser,
    ) -> Result<(Sink<'a>, String, Hears), Exit> {
        if !datagrams {
            let (sender, times) = mpsc::channel(TIMES);
            return Ok((
                Sink::Stream(Box::new(Stream::new(ctx, label, times))),
                "-".to_owned(),
                timing(stderr.hears(), sender),
            ));
        }
        let no_port = |e: std::io::Error| {
            Exit::new(Fault::Unreachable, format!("no port of this machine can be had: {e}"))
        };
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_port)?;
        // A connected socket hears that nobody listens any more, so the program ends with a server
        // that was killed.
        let to = format!("udp://{}?pkt_size=188&connect=1", socket.local_addr().map_err(no_port)?);
        Ok((
            Sink::Datagrams(
                socket,
                Box::new(Intake::new(ctx, label, ignored, TsDemuxer::default())),
            ),
            to,
            stderr.hears(),
        ))
    }

    /// Until the program closes its output.
    ///
    /// # Errors
    /// If somebody else publishes.
    pub(super) async fn read(&mut self, child: &mut Child, ctx: &Context) -> Result<(), Exit> {
        match self {
            Self::Datagrams(socket, intake) => datagrams(socket, intake, child, ctx).await,
            Self::Stream(stream) => stream.read(child, ctx).await,
        }
    }

    /// Ends what was begun, for the reason of `exit`.
    pub(super) fn finish(self, exit: &Exit) {
        match self {
            Self::Datagrams(_, intake) => intake.finish(exit),
            Self::Stream(stream) => stream.feed.finish(exit),
        }
    }
}

/// The sensor's times among what the program says go one way, everything else the other.
fn timing(mut others: Hears, times: mpsc::Sender<u64>) -> Hears {
    Box::new(move |line| {
        match line.strip_prefix("SensorTimestamp=").map(|text| text.trim().parse()) {
            // Whoever does not read them has stopped to read frames, too.
            Some(Ok(time)) => drop(times.try_send(time)),
            _ => others(line),
        }
    })
}

async fn datagrams(
    socket: &UdpSocket,
    intake: &mut Intake<'_, TsDemuxer>,
    child: &mut Child,
    ctx: &Context,
) -> Result<(), Exit> {
    let (mut buffer, mut ignored) = (vec![0; READ], [0; 512]);
    loop {
        tokio::select! {
            received = socket.recv(&mut buffer) => {
                intake.take(ctx.clock.now(), &buffer[..received.unwrap_or(0)])?;
            }
            () = quiet(intake.awaits_pause()) => intake.pause(ctx.clock.now())?,
            read = child.stdout().read(&mut ignored) => if read.unwrap_or(0) == 0 {
                return Ok(());
            }
        }
    }
}

/// H.264 from a pipe, and the sensor's times, of which each comes as soon as its frame is written.
pub(super) struct Stream<'a> {
    feed: Feed<'a>,
    assembler: Assembler,
    told: mpsc::Receiver<u64>,
    times: VecDeque<u64>,
    /// Times still to come of frames that are gone.
    owed: usize,
    /// The program tells times: then pauses mean nothing.
    tells: bool,
}

impl<'a> Stream<'a> {
    fn new(ctx: &'a Context, label: &'a Arc<str>, told: mpsc::Receiver<u64>) -> Self {
        let feed = Feed::new(ctx, label, false);
        Self {
            feed,
            assembler: Assembler::default(),
            told,
            times: VecDeque::new(),
            owed: 0,
            tells: false,
        }
    }

    async fn read(&mut self, child: &mut Child, ctx: &Context) -> Result<(), Exit> {
        let mut buffer = vec![0; READ];
        loop {
            tokio::select! {
                length = child.stdout().read(&mut buffer) => match length.unwrap_or(0) {
                    0 => return Ok(()),
                    length => self.push(ctx, &buffer[..length])?,
                },
                Some(time) = self.told.recv() => {
                    self.note(time);
                    // The frame was written before its time, so all of it is in the pipe, if it is
                    // not here.
                    while let Ok(length @ 1..) = nix::unistd::read(&*child.stdout(), &mut buffer) {
                        self.push(ctx, &buffer[..length])?;
                    }
                    if !self.times.is_empty() {
                        self.flush(ctx)?;
                    }
                }
                () = quiet(!self.tells && self.assembler.is_within_frame()) => self.flush(ctx)?,
            }
        }
    }

    fn push(&mut self, ctx: &Context, bytes: &[u8]) -> Result<(), Exit> {
        self.assembler.push(bytes);
        while let Some(frame) = self.assembler.next() {
            self.take(ctx, &frame)?;
        }
        Ok(())
    }

    fn note(&mut self, time: u64) {
        self.tells = true;
        if self.owed > 0 {
            self.owed -= 1;
            return;
        }
        self.times.push_back(time);
        // Far more times than frames: they are of other frames.
        if self.times.len() > TIMES / 4 {
            self.times.clear();
        }
    }

    fn flush(&mut self, ctx: &Context) -> Result<(), Exit> {
        self.assembler.flush().map_or(Ok(()), |frame| self.take(ctx, &frame))
    }

    fn take(&mut self, ctx: &Context, frame: &Bytes) -> Result<(), Exit> {
        let captured = self.times.pop_front().map(Mono::from_nanos);
        if captured.is_none() && self.tells {
            self.owed = (self.owed + 1).min(TIMES);
        }
        self.feed.take(ctx.clock.now(), captured, None, frame)
    }
}
