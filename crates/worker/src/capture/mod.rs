//! The job that takes a camera's pictures, and encodes them unless the camera has.

mod coding;
mod track;

use crate::{
    clock, encoder,
    link::{Closed, Link},
    raw::{self, Bad},
    report::Report,
    v4l2::{self, Asked, Choice, Device, Stream, Unusable, m2m},
};
use media::{Catalog, Mono, TrackId, time::rescale};
use nix::{errno::Errno, poll::PollFlags};
use proto::ipc::{Capture, EncoderChoice, Frame, Level, Loss, PictureFormat, ToServer, ToWorker};
use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};
use track::{Ready, Refused, Track, When};

const TRACK: TrackId = TrackId(0);
const TIMESCALE: u32 = 90_000;
/// Gaps in the numbers of pictures that are larger are a driver's nonsense.
const MAX_GAP: u32 = 1000;

/// Why the job ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Encoder(#[from] encoder::Error),
    /// The camera is to blame.
    #[error("{1}")]
    Camera(Loss, String),
}

/// The devices of a job.
pub(crate) struct Opened {
    camera: Device,
    /// Hardware that may encode its pictures.
    encoders: m2m::Looked,
}

/// Opens the camera and what may encode its pictures, while this process still may.
///
/// # Errors
/// [`Fault::Camera`].
pub(crate) fn open(job: &Capture) -> Result<Opened, Fault> {
    let camera =
        Device::open(Path::new(&job.device)).map_err(|why| not_opened(&job.device, &why))?;
    let in_vain = job.encoder == EncoderChoice::Software || job.format == PictureFormat::Mjpeg;
    Ok(Opened { camera, encoders: if in_vain { m2m::Looked::default() } else { m2m::look() } })
}

fn not_opened(device: &str, why: &Unusable) -> Fault {
    let code = match why {
        Unusable::Closed(e) => Errno::from_raw(e.raw_os_error().unwrap_or(0)),
        Unusable::NotV4l2(_) | Unusable::NoCapture(_) | Unusable::Unsupported(_) => {
            Errno::UnknownErrno
        }
    };
    let (loss, words) = match code {
        Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => {
            (Loss::Missing, format!("there is no camera at {device}; {}", v4l2::in_words()))
        }
        Errno::EACCES | Errno::EPERM => {
            let hint = "add the user that runs neverblink to the group `video`, or give the container the device";
            (Loss::Refused, format!("no right to use {device} ({}): {hint}", code.desc()))
        }
        Errno::EBUSY => (Loss::Refused, busy(device)),
        Errno::UnknownErrno => {
            (Loss::Refused, format!("{device} cannot be used: {why}; {}", v4l2::in_words()))
        }
        _ => (Loss::Refused, format!("{device} cannot be opened: {why}")),
    };
    Fault::Camera(loss, words)
}

fn busy(device: &str) -> String {
    format!(
        "{device} is in use by another program (a browser, a video call, another camera of this config?); `fuser -v {device}` names it"
    )
}

/// Captures, encodes and sends until told to stop.
pub(crate) fn run(link: &mut Link, job: &Capture, opened: Opened) -> Result<(), Fault> {
    let mut work = Work::begin(link, job, opened)?;
    loop {
        work.say(link)?;
        // While the server does not take what was made, pictures grow old in the device, and the
        // newest is taken afterwards; so they do while the encoder has no room.
        let room = !link.is_busy() && work.has_room()?;
        let (due, others) = work.waits_for(link.is_busy(), room);
        let [picture, coded] = link.wait_beside(due, others)?;
        while let Some(message) = link.receive()? {
            match message {
                ToWorker::Stop => return Ok(()),
                ToWorker::ForceKeyframe => work.force_keyframe(),
                ToWorker::SetControls { order, values } => {
                    work.set_controls(link, order, &values)?;
                }
                ToWorker::Start(_) | ToWorker::Want(_) | ToWorker::Decode(_) => {}
            }
        }
        if !link.is_busy() {
            work.collect(link, coded)?;
        }
        if picture && !link.is_busy() {
            work.picture(link)?;
        }
        work.report.send_if_due(link, work.skipped)?;
    }
}

/// Something to wait for.
type Other<'a> = Option<(BorrowedFd<'a>, PollFlags)>;

struct Work {
    device: String,
    stream: Stream,
    track: Track,
    start: Mono,
    report: Report,
    /// The last picture's number and time.
    sequence: Option<u32>,
    pts: i64,
    skipped: u64,
    /// Pictures that could not be used.
    bad: u64,
}

impl Work {
    fn begin(link: &mut Link, job: &Capture, opened: Opened) -> Result<Self, Fault> {
        let Opened { camera: device, encoders } = opened;
        let choice = choose(job, &device)?;
        let name = device.identity().name.clone();
        let refused = |e: Errno| match e {
            Errno::EBUSY => Fault::Camera(Loss::Refused, busy(&job.device)),
            Errno::ENODEV | Errno::EIO | Errno::EPROTO => gone(&job.device, e),
            Errno::ENOSPC => {
                let hint = "the USB bus has no bandwidth left: ask for less, or plug the camera in elsewhere";
                Fault::Camera(
                    Loss::Refused,
                    format!("{} does not start: {hint} ({})", job.device, e.desc()),
                )
            }
            Errno::EPIPE | Errno::ENOLINK => {
                let hint =
                    "it is part of a pipeline that must be set up before (media-ctl, libcamera)";
                Fault::Camera(
                    Loss::Refused,
                    format!("{} does not start: {hint} ({})", job.device, e.desc()),
                )
            }
            e => Fault::Camera(
                Loss::Refused,
                format!("{} does not start with {choice}: {}", job.device, e.desc()),
            ),
        };
        let stream = Stream::start(device, choice).map_err(refused)?;
        let got = stream.layout().choice;
        link.send(&ToServer::Log(Level::Info, format!("{name}: {got}")))?;
        if (got.width, got.height) != (job.width.into(), job.height.into()) {
            let words = format!(
                "the camera has no {}x{}; it gives {}x{}",
                job.width, job.height, got.width, got.height
            );
            link.send(&ToServer::Log(Level::Warn, words))?;
        }
        link.send(&ToServer::Controls(v4l2::list_controls(stream.device())))?;
        let track = Track::new(job, &stream, encoders)?;
        let start = clock::mono();
        let report = Report::new(start);
        let (device, sequence) = (job.device.clone(), None);
        Ok(Self { device, stream, track, start, report, sequence, pts: -1, skipped: 0, bad: 0 })
    }

    /// Takes the newest picture and sends it.
    fn picture(&mut self, link: &mut Link) -> Result<(), Fault> {
        let now = clock::mono();
        let Self { stream, track, .. } = self;
        let layout = *stream.layout();
        let taken =
            stream.newest(|shot| (track.take(&shot, &layout, now), shot.sequence, shot.passed));
        let Some((ready, sequence, passed)) = taken.map_err(|e| gone(&self.device, e))? else {
            return Ok(());
        };
        self.count(sequence, passed);
        if let (Ok(_), Track::Encoded { picture, .. }) = (&ready, &self.track) {
            self.report.look(now, picture);
        }
        match ready {
            Ok(Some(ready)) => self.send(link, ready),
            Ok(None) => Ok(()),
            Err(Refused::Bad(bad)) => self.note(link, &bad),
            Err(other) => Err(self.fault(other)),
        }
    }

    /// Sends what the encoder has made of earlier pictures. It is asked when it has something, and
    /// when it should have.
    fn collect(&mut self, link: &mut Link, ready: bool) -> Result<(), Fault> {
        let now = clock::mono();
        if !ready && self.track.coding().and_then(|c| c.due(now)).is_none_or(|due| now < due) {
            return Ok(());
        }
        while let Some(ready) = self.track.collect(now).map_err(|e| self.fault(e))? {
            self.send(link, ready)?;
        }
        Ok(())
    }

    fn send(&mut self, link: &mut Link, ready: Ready) -> Result<(), Fault> {
        let Ready { key, payload, codec, when: When { captured, sensed, drawn } } = ready;
        if let Some(codec) = codec {
            link.send(&ToServer::Tracks(Catalog::new([(codec, TIMESCALE)])))?;
        }
        let encoded = clock::mono();
        self.report.frame(captured, drawn, encoded, &payload);
        let pts = self.pts(captured);
        Ok(link.send(&ToServer::Frame(Frame {
            track: TRACK,
            pts,
            key,
            captured,
            sensed,
            encoded,
            payload,
        }))?)
    }

    fn fault(&self, refused: Refused) -> Fault {
        match refused {
            Refused::Encoder(e) => e.into(),
            Refused::Hardware(words) => Fault::Camera(Loss::Refused, words),
            Refused::Bad(bad) => Fault::Camera(
                Loss::Refused,
                format!("a picture of {} was no good: {bad}", self.device),
            ),
        }
    }

    fn has_room(&mut self) -> Result<bool, Fault> {
        let Some(coding) = self.track.coding() else { return Ok(true) };
        coding.has_room(clock::mono()).map_err(|e| self.fault(e))
    }

    /// Until when, and for what: the camera's next picture if there is room for it, and the
    /// encoder.
    fn waits_for(&mut self, busy: bool, room: bool) -> (Mono, [Other<'_>; 2]) {
        let Self { stream, track, report, .. } = self;
        let stream: &Stream = stream;
        let camera = room.then_some((stream.as_fd(), PollFlags::POLLIN));
        let coding = track.coding().filter(|_| !busy);
        let due = coding
            .as_ref()
            .and_then(|c| c.due(clock::mono()))
            .map_or(report.due(), |due| due.min(report.due()));
        let encoder =
            coding.and_then(|c| c.fd()).map(|fd| (fd, PollFlags::POLLIN | PollFlags::POLLOUT));
        (due, [camera, encoder])
    }

    /// Says and counts what the encoder has to say.
    fn say(&mut self, link: &mut Link) -> Result<(), Fault> {
        let Some(coding) = self.track.coding() else { return Ok(()) };
        self.skipped += coding.skipped();
        for (level, words) in coding.notes() {
            link.send(&ToServer::Log(level, format!("{}: {words}", self.device)))?;
        }
        Ok(())
    }

    /// Times on, whatever the driver writes down.
    fn pts(&mut self, captured: Mono) -> i64 {
        let age = captured.since(self.start);
        let pts =
            rescale(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX), 1_000_000_000, TIMESCALE);
        self.pts = pts.max(self.pts + 1);
        self.pts
    }

    /// Counts what the driver left out and what was passed over.
    fn count(&mut self, sequence: u32, passed: u32) {
        let gap = self.sequence.map_or(0, |last| sequence.wrapping_sub(last).wrapping_sub(1));
        self.sequence = Some(sequence);
        self.skipped += u64::from(if gap > MAX_GAP { passed } else { gap.max(passed) });
    }

    /// Says that a picture was no good: once, and again after each doubling.
    fn note(&mut self, link: &mut Link, bad: &Bad) -> Result<(), Fault> {
        self.bad += 1;
        self.skipped += 1;
        if self.bad.is_power_of_two() {
            let text = format!(
                "{} pictures of {} were no good; the last one: {bad}",
                self.bad, self.device
            );
            link.send(&ToServer::Log(Level::Warn, text))?;
        }
        Ok(())
    }

    fn force_keyframe(&mut self) {
        match &mut self.track {
            Track::Encoded { coding, .. } => coding.force_keyframe(),
            Track::H264 { .. } => v4l2::force_keyframe(self.stream.device()),
            Track::Jpeg { .. } => {}
        }
    }

    fn set_controls(
        &mut self,
        link: &mut Link,
        order: u32,
        values: &[(String, i64)],
    ) -> Result<(), Fault> {
        let device = self.stream.device();
        let refused = v4l2::set_controls(device, values);
        link.send(&ToServer::Controls(v4l2::list_controls(device)))?;
        Ok(link.send(&ToServer::ControlsSet { order, refused })?)
    }
}

fn choose(job: &Capture, device: &Device) -> Result<Choice, Fault> {
    let Capture { width, height, fps, format, .. } = *job;
    let asked = Asked { width: width.into(), height: height.into(), fps: fps.into(), format };
    let modes = device.modes();
    let chosen = v4l2::choose(&modes, &asked).filter(|c| c.width >= 16 && c.height >= 16);
    chosen.filter(|c| c.width.max(c.height) as usize <= raw::MAX_SIDE).ok_or_else(|| {
        let mut all: Vec<_> = modes.iter().map(|m| m.code.to_string()).collect();
        all.dedup();
        let all =
            if all.is_empty() { "nothing that is understood".to_owned() } else { all.join(", ") };
        let asked = if format == PictureFormat::Any {
            "no usable format".to_owned()
        } else {
            format!("no {}", format.as_str())
        };
        Fault::Camera(
            Loss::Refused,
            format!("{} ({}) has {asked}; it has {all}", job.device, device.identity().name),
        )
    })
}

fn gone(device: &str, error: Errno) -> Fault {
    let said = format!("{} ({error:?})", error.desc().to_lowercase());
    let words = match error {
        Errno::ENODEV | Errno::ENXIO => format!("{device} is gone: {said}; was it unplugged?"),
        _ => format!("{device} has failed: {said}; if it does so again, try another cable or port"),
    };
    Fault::Camera(Loss::Gone, words)
}
