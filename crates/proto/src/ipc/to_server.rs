//! What a worker tells the server.

use super::{
    Control, Error, Loss, Message, Picture, Reader, VERSION, Writer,
    capture::{read_controls, read_refused, write_controls, write_refused},
    catalog,
};
use media::{AccessUnit, CaptureClock, Captured, Catalog, Mono, Payload, Timing, TrackId};

/// A message from a worker to the server.
#[derive(Clone, PartialEq, Debug)]
pub enum ToServer {
    /// The first message of every worker. Reading one of another version fails, so holders of this
    /// value agree on the version.
    Hello {
        /// The worker's process id.
        pid: u32,
    },
    /// What the frames that follow consist of.
    Tracks(Catalog),
    /// A frame.
    Frame(Frame),
    /// A picture of the stream that the server sends.
    Picture(Picture),
    /// A line for the log.
    Log(Level, String),
    /// Why the worker is about to exit.
    Failed(String),
    /// Why the worker is about to exit, if the camera is to blame.
    Lost(Loss, String),
    /// What can be set on the camera and how it is set now; at most
    /// [`MAX_CONTROLS`](super::MAX_CONTROLS).
    Controls(Vec<Control>),
    /// The controls of this order are set, or why not; [`ToServer::Controls`] went before.
    ControlsSet {
        /// Number of the order.
        order: u32,
        /// What was not set, and why in words; empty if all was.
        refused: Vec<(String, String)>,
    },
    /// Sent once a second, whether or not frames flow: the worker is alive, and this is what it has
    /// achieved.
    Heartbeat(Progress),
    /// What its work costs; sent now and then.
    Stats(Stats),
}

/// A frame as a worker makes it: its payload has no start codes, and it is shown in the order it is
/// decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The track it belongs to.
    pub track: TrackId,
    /// Presentation and decode time in the track's timescale.
    pub pts: i64,
    /// Decoding can start here.
    pub key: bool,
    /// When the light fell on the sensor, or drawing began.
    pub captured: Mono,
    /// That was noted by whoever captured; otherwise it is when the picture reached the worker.
    pub sensed: bool,
    /// When the encoder had finished.
    pub encoded: Mono,
    /// NAL units, or the one frame of codecs without them.
    pub payload: Payload,
}

impl Frame {
    /// The frame as the hub wants it, received at `now`. Both processes read the same clock, so
    /// times that lie after what follows them are lies, and moved there.
    pub fn into_unit(self, now: Mono) -> AccessUnit {
        let clock = if self.sensed { CaptureClock::Sensor } else { CaptureClock::Arrival };
        let encoded = self.encoded.min(now);
        let captured = Captured { at: self.captured.min(encoded), clock };
        let timing = Timing { captured, encoded: Some(encoded), received: now, published: now };
        AccessUnit::new(self.track, self.pts, self.key, timing, self.payload)
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Something does not work.
    Error,
    /// Something works less well than it could.
    Warn,
    /// Worth knowing.
    Info,
}

/// What a worker has achieved since it started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Progress {
    /// Frames made, or decoded.
    pub frames: u64,
    /// Frames not made, because the machine or the server was too slow for them; or not decodable.
    pub skipped: u64,
    /// When the newest frame was captured.
    pub newest: Option<Mono>,
    /// What was seen of the pictures themselves, where the worker has them.
    pub look: Option<Look>,
}

/// For how long all pictures have looked alike to a worker, which looks a few times a second at
/// most.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Look {
    /// When it looked at the first of those that look like the newest one.
    pub since: Mono,
    /// When it looked at the newest one.
    pub newest: Mono,
    /// When it last saw beyond doubt that something moves, which is not later than `since`: a
    /// picture that stands still does not look the same at once after the camera's encoder has
    /// begun.
    pub moved: Option<Mono>,
}

/// Means and maxima since the last report.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Frames these numbers are of.
    pub frames: u32,
    /// Mean microseconds to draw or capture a frame.
    pub draw_us: u32,
    /// Mean microseconds to encode a frame.
    pub encode_us: u32,
    /// Maximum of the latter.
    pub encode_us_max: u32,
    /// Encoded bytes.
    pub bytes: u64,
}

mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const TRACKS: u8 = 2;
    pub(super) const FRAME: u8 = 3;
    pub(super) const LOG: u8 = 4;
    pub(super) const FAILED: u8 = 5;
    pub(super) const HEARTBEAT: u8 = 6;
    pub(super) const STATS: u8 = 7;
    pub(super) const PICTURE: u8 = 8;
    pub(super) const LOST: u8 = 9;
    pub(super) const CONTROLS: u8 = 10;
    pub(super) const CONTROLS_SET: u8 = 11;
}

impl Message for ToServer {
    fn write(&self, body: &mut Writer) -> u8 {
        match self {
            Self::Hello { pid } => write_hello(body, *pid),
            Self::Tracks(catalog) => {
                catalog::write(body, catalog);
                kind::TRACKS
            }
            Self::Frame(frame) => {
                frame.write(body);
                kind::FRAME
            }
            Self::Picture(picture) => {
                picture.write(body);
                kind::PICTURE
            }
            Self::Log(level, text) => {
                body.u8(*level as u8);
                body.text(text);
                kind::LOG
            }
            Self::Failed(text) => {
                body.text(text);
                kind::FAILED
            }
            Self::Lost(loss, text) => {
                body.u8(*loss as u8);
                body.text(text);
                kind::LOST
            }
            Self::Controls(controls) => {
                write_controls(body, controls);
                kind::CONTROLS
            }
            Self::ControlsSet { order, refused } => {
                body.u32(*order);
                write_refused(body, refused);
                kind::CONTROLS_SET
            }
            Self::Heartbeat(progress) => {
                progress.write(body);
                kind::HEARTBEAT
            }
            Self::Stats(stats) => {
                stats.write(body);
                kind::STATS
            }
        }
    }

    fn read(mut body: Reader) -> Result<Self, Error> {
        let message = match body.kind() {
            kind::HELLO => read_hello(&mut body)?,
            kind::TRACKS => Self::Tracks(catalog::read(&mut body)?),
            kind::FRAME => Self::Frame(Frame::read(&mut body)?),
            kind::PICTURE => Self::Picture(Picture::read(&mut body)?),
            kind::LOG => Self::Log(Level::read(&mut body)?, body.text("log text")?),
            kind::FAILED => Self::Failed(body.text("error text")?),
            kind::LOST => Self::Lost(Loss::read(&mut body)?, body.text("error text")?),
            kind::CONTROLS => Self::Controls(read_controls(&mut body)?),
            kind::CONTROLS_SET => {
                Self::ControlsSet { order: body.u32()?, refused: read_refused(&mut body)? }
            }
            kind::HEARTBEAT => Self::Heartbeat(Progress::read(&mut body)?),
            kind::STATS => Self::Stats(Stats::read(&mut body)?),
            other => return Err(Error::Kind(other)),
        };
        body.end()?;
        Ok(message)
    }
}

fn write_hello(body: &mut Writer, pid: u32) -> u8 {
    body.u16(VERSION);
    body.u32(pid);
    kind::HELLO
}

fn read_hello(body: &mut Reader) -> Result<ToServer, Error> {
    match body.u16()? {
        VERSION => Ok(ToServer::Hello { pid: body.u32()? }),
        other => Err(Error::Version(other)),
    }
}

impl Frame {
    fn write(&self, body: &mut Writer) {
        body.u8(self.track.0);
        body.flag(self.key);
        body.i64(self.pts);
        body.u64(self.captured.as_nanos());
        body.flag(self.sensed);
        body.u64(self.encoded.as_nanos());
        body.units(&self.payload);
    }

    fn read(body: &mut Reader) -> Result<Self, Error> {
        let track = TrackId(body.u8()?);
        let key = body.flag("key flag")?;
        let pts = body.i64()?;
        let captured = Mono::from_nanos(body.u64()?);
        let sensed = body.flag("sensed flag")?;
        let encoded = Mono::from_nanos(body.u64()?);
        Ok(Self { track, pts, key, captured, sensed, encoded, payload: body.units()? })
    }
}

impl Level {
    fn read(body: &mut Reader) -> Result<Self, Error> {
        match body.u8()? {
            0 => Ok(Self::Error),
            1 => Ok(Self::Warn),
            2 => Ok(Self::Info),
            _ => body.bad("log level"),
        }
    }
}

impl Progress {
    fn write(&self, body: &mut Writer) {
        body.u64(self.frames);
        body.u64(self.skipped);
        body.flag(self.newest.is_some());
        body.u64(self.newest.map_or(0, Mono::as_nanos));
        let look = self.look.unwrap_or_default();
        body.flag(self.look.is_some());
        body.u64(look.since.as_nanos());
        body.u64(look.newest.as_nanos());
        body.flag(look.moved.is_some());
        body.u64(look.moved.map_or(0, Mono::as_nanos));
    }

    fn read(body: &mut Reader) -> Result<Self, Error> {
        let (frames, skipped) = (body.u64()?, body.u64()?);
        let known = body.flag("newest flag")?;
        let newest = Mono::from_nanos(body.u64()?);
        let looked = body.flag("look flag")?;
        let [since, seen] = [body.u64()?, body.u64()?].map(Mono::from_nanos);
        let moved = body.flag("moved flag")?;
        let at = Mono::from_nanos(body.u64()?);
        let look = Look { since, newest: seen, moved: moved.then_some(at) };
        Ok(Self { frames, skipped, newest: known.then_some(newest), look: looked.then_some(look) })
    }
}

impl Stats {
    fn write(&self, body: &mut Writer) {
        for v in [self.frames, self.draw_us, self.encode_us, self.encode_us_max] {
            body.u32(v);
        }
        body.u64(self.bytes);
    }

    fn read(body: &mut Reader) -> Result<Self, Error> {
        Ok(Self {
            frames: body.u32()?,
            draw_us: body.u32()?,
            encode_us: body.u32()?,
            encode_us_max: body.u32()?,
            bytes: body.u64()?,
        })
    }
}
