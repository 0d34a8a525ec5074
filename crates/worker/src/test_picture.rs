//! The jobs that draw a picture and encode it: the test picture, and the slate.

use crate::{
    clock,
    encoder::{self, Coded, Encoder},
    link::{Closed, Link},
    pace::Pacer,
    picture::{self, Draw, Picture},
    report::Report,
};
use media::{Catalog, ClockPair, Codec, Mono, TrackId, h264, time::rescale};
use proto::ipc::{Frame, Slate, TestPicture, ToServer, ToWorker};
use std::sync::Arc;

const TRACK: TrackId = TrackId(0);
const TIMESCALE: u32 = 90_000;
/// Little, for it may be needed for a night; whoever joins sees it within a second.
const SLATE: encoder::Options = encoder::Options { fps: 5, gop: 5, bitrate: 200_000 };

/// Why the job ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Encoder(#[from] encoder::Error),
    #[error("a keyframe without usable parameter sets")]
    ParameterSets,
}

/// The test picture.
pub(crate) fn run(link: &mut Link, job: &TestPicture) -> Result<(), Fault> {
    let TestPicture { fps, gop, bitrate, noise, .. } = *job;
    let (width, height) = (job.width.into(), job.height.into());
    let picture =
        Picture::new(&picture::Options { name: job.name.clone(), width, height, fps, noise });
    draw(link, picture, encoder::Options { fps, gop, bitrate })
}

/// What is shown while a camera has no picture.
pub(crate) fn run_slate(link: &mut Link, job: &Slate) -> Result<(), Fault> {
    let slate = picture::Slate::new(job.width.into(), job.height.into(), &job.title, &job.text);
    draw(link, slate, SLATE)
}

/// Draws, encodes and sends until told to stop.
fn draw(link: &mut Link, picture: impl Draw, options: encoder::Options) -> Result<(), Fault> {
    let mut work = Work::new(picture, options)?;
    loop {
        link.wait(work.pacer.next().min(work.report.due()))?;
        while let Some(message) = link.receive()? {
            match message {
                ToWorker::Stop => return Ok(()),
                ToWorker::ForceKeyframe => work.encoder.force_keyframe(),
                ToWorker::Start(_)
                | ToWorker::Want(_)
                | ToWorker::Decode(_)
                | ToWorker::SetControls { .. } => {}
            }
        }
        let now = clock::now();
        if link.is_busy() {
            // What cannot be sent is not made: a frame that waits is an old frame, and one that is
            // thrown away after encoding would be missed by all that follow it.
            work.pacer.skip(now.mono);
            continue;
        }
        if work.pacer.take(now.mono) {
            work.frame(link, now)?;
        }
        work.report.send_if_due(link, work.pacer.skipped())?;
    }
}

struct Work<P> {
    start: Mono,
    pacer: Pacer,
    picture: P,
    encoder: Encoder,
    report: Report,
    sets: Option<Arc<h264::ParameterSets>>,
}

impl<P: Draw> Work<P> {
    fn new(picture: P, options: encoder::Options) -> Result<Self, Fault> {
        let fps = options.fps;
        let encoder = Encoder::new(options)?;
        let start = clock::mono();
        Ok(Self {
            start,
            pacer: Pacer::new(start, fps),
            picture,
            encoder,
            report: Report::new(start),
            sets: None,
        })
    }

    /// One frame, captured `now`.
    fn frame(&mut self, link: &mut Link, now: ClockPair) -> Result<(), Fault> {
        let canvas = self.picture.draw(now);
        let drawn = clock::mono();
        let age = now.mono.since(self.start);
        let Some(coded) = self.encoder.encode(canvas, age)? else { return Ok(()) };
        let encoded = clock::mono();
        self.announce(link, &coded)?;
        let pts =
            rescale(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX), 1_000_000_000, TIMESCALE);
        self.report.frame(now.mono, drawn, encoded, &coded.payload);
        let Coded { key, payload } = coded;
        Ok(link.send(&ToServer::Frame(Frame {
            track: TRACK,
            pts,
            key,
            captured: now.mono,
            sensed: true,
            encoded,
            payload,
        }))?)
    }

    /// Tells the server what a keyframe's stream consists of, if that has changed.
    fn announce(&mut self, link: &mut Link, coded: &Coded) -> Result<(), Fault> {
        if !coded.key {
            return Ok(());
        }
        let (sps, pps) = h264::find_sets(&coded.payload).ok_or(Fault::ParameterSets)?;
        if self.sets.as_ref().is_some_and(|known| known.sps == sps && known.pps == pps) {
            return Ok(());
        }
        let sets = h264::ParameterSets::parse(sps.clone(), pps.clone())
            .map_err(|_| Fault::ParameterSets)?;
        let sets = self.sets.insert(Arc::new(sets)).clone();
        Ok(link.send(&ToServer::Tracks(Catalog::new([(Codec::H264(Some(sets)), TIMESCALE)])))?)
    }
}
