//! The job that makes pictures of a stream: decode what the server sends, and make JPEGs of the
//! newest for whoever wants some.

use crate::{
    clock, colour,
    decoder::{self, Decoded, Decoder},
    jpeg,
    link::{Closed, Link},
    picture::I420,
    raw,
    report::Report,
    scale,
};
use media::{Mono, Thin};
use proto::ipc::{Coded, Level, Picture, ToServer, ToWorker, Want};
use std::time::Duration;

/// Messages taken in one go before pictures and heartbeats have their turn.
const BATCH: usize = 16;

/// Why the job ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Decoder(#[from] decoder::Error),
}

/// Decodes and makes pictures until told to stop.
pub(crate) fn run(link: &mut Link) -> Result<(), Fault> {
    let mut work = Work::new()?;
    loop {
        let heard = work.listen(link)?;
        if matches!(heard, Heard::Stop) {
            return Ok(());
        }
        work.deliver(link)?;
        work.report.send_if_due(link, work.undecodable)?;
        if matches!(heard, Heard::Nothing) {
            link.wait(work.report.due())?;
        }
    }
}

/// What the server had to say.
enum Heard {
    /// No more than has been done.
    Nothing,
    /// More, but what is decoded has its turn first: an endless stream must not keep everybody
    /// waiting.
    More,
    /// That this is the end.
    Stop,
}

struct Work {
    decoder: Decoder,
    /// The picture shown last, and when it was ready.
    newest: Option<Decoded>,
    decoded: Mono,
    /// Counts pictures.
    number: u64,
    /// The newest picture is worth showing.
    show: bool,
    wanted: Vec<Wanted>,
    undecodable: u64,
    /// A JPEG that was sent to be looked at.
    file: I420,
    report: Report,
}

/// A want, and what it has got.
struct Wanted {
    want: Want,
    thin: Thin,
    /// Number of the picture it was looked at for.
    seen: u64,
}

impl Work {
    fn new() -> Result<Self, Fault> {
        let now = clock::mono();
        let report = Report::new(now);
        let decoder = Decoder::new()?;
        Ok(Self {
            decoder,
            newest: None,
            decoded: now,
            number: 0,
            show: false,
            wanted: Vec::new(),
            undecodable: 0,
            file: I420::new(0, 0),
            report,
        })
    }

    /// Takes what the server has said: frames are decoded, wants are noted.
    fn listen(&mut self, link: &mut Link) -> Result<Heard, Fault> {
        for _ in 0..BATCH {
            match link.receive()? {
                None => return Ok(Heard::Nothing),
                Some(ToWorker::Stop) => return Ok(Heard::Stop),
                Some(ToWorker::Want(wants)) => self.want(wants),
                Some(ToWorker::Decode(coded)) => self.decode(link, &coded)?,
                Some(
                    ToWorker::Start(_) | ToWorker::ForceKeyframe | ToWorker::SetControls { .. },
                ) => {}
            }
        }
        Ok(Heard::More)
    }

    fn want(&mut self, wants: Vec<Want>) {
        let mut before = std::mem::take(&mut self.wanted);
        self.wanted.extend(wants.into_iter().map(|want| {
            let interval = Duration::from_micros(want.interval_us.into());
            match before.iter().position(|w| w.want.id == want.id) {
                Some(known) => {
                    let mut known = before.swap_remove(known);
                    known.thin.set_interval(interval);
                    Wanted { want, ..known }
                }
                None => Wanted { want, thin: Thin::new(interval), seen: 0 },
            }
        }));
        // Those of equal width behind each other, so that the picture is scaled once for them.
        self.wanted.sort_by_key(|w| w.want.width);
    }

    fn decode(&mut self, link: &mut Link, coded: &Coded) -> Result<(), Closed> {
        // No NAL unit begins like this.
        if let Some(file) = coded.payload.first().filter(|unit| unit.starts_with(&[0xff, 0xd8])) {
            return self.look_at(link, file);
        }
        match self.decoder.decode(coded, &mut self.newest) {
            Ok(true) => {
                self.decoded = clock::mono();
                self.number += 1;
                self.show = coded.show;
                self.report.decoded(coded.captured);
                if let Some(newest) = self.newest.as_ref().filter(|_| coded.key) {
                    self.report.look(self.decoded, &newest.picture);
                }
            }
            Ok(false) => {}
            Err(e) => self.complain(link, &e)?,
        }
        Ok(())
    }

    /// Looks whether the picture stands still in a JPEG that somebody else made of it.
    fn look_at(&mut self, link: &mut Link, file: &[u8]) -> Result<(), Closed> {
        let size = media::jpeg::size(file).unwrap_or_default();
        let size =
            ((size.0 as usize).min(raw::MAX_SIDE) & !1, (size.1 as usize).min(raw::MAX_SIDE) & !1);
        if (self.file.width(), self.file.height()) != size {
            self.file = I420::new(size.0, size.1);
        }
        match raw::decode(file, &mut self.file) {
            Ok(()) => self.report.look(clock::mono(), &self.file),
            Err(e) => self.complain(link, &e)?,
        }
        Ok(())
    }

    /// Once, and again after each doubling: a camera that sends rubbish does so thirty times a
    /// second.
    fn complain(&mut self, link: &mut Link, why: &dyn std::fmt::Display) -> Result<(), Closed> {
        self.undecodable += 1;
        if self.undecodable.is_power_of_two() {
            let text =
                format!("{} frames could not be decoded; the last one: {why}", self.undecodable);
            link.send(&ToServer::Log(Level::Warn, text))?;
        }
        Ok(())
    }

    /// Makes the newest picture for everybody who has not got it and is due for one.
    fn deliver(&mut self, link: &mut Link) -> Result<(), Closed> {
        let Some(newest) = self.newest.as_ref().filter(|_| self.show && !link.is_busy()) else {
            return Ok(());
        };
        let mut scaled: Option<((usize, usize), I420)> = None;
        for wanted in &mut self.wanted {
            if std::mem::replace(&mut wanted.seen, self.number) == self.number
                || !wanted.thin.take(newest.captured)
            {
                continue;
            }
            let size = scale::fit(&newest.picture, wanted.want.width.into());
            let picture = match scaled.take().filter(|(known, _)| *known == size) {
                Some((_, picture)) => picture,
                None => ready(newest, size),
            };
            match jpeg::encode(&picture, wanted.want.quality) {
                Ok(file) => link.send(&ToServer::Picture(describe(
                    wanted.want.id,
                    newest,
                    self.decoded,
                    &picture,
                    file,
                )))?,
                Err(e) => link.send(&ToServer::Log(Level::Error, e.to_string()))?,
            }
            scaled = Some((size, picture));
        }
        Ok(())
    }
}

/// The picture at this size, in JPEG's colours.
fn ready(newest: &Decoded, size: (usize, usize)) -> I420 {
    let mut picture = scale::shrink(&newest.picture, size);
    // What the stream does not say is guessed by the size that it has itself.
    let matrix = newest.colour.matrix.or(Some(if newest.picture.height() >= colour::HD_ROWS {
        1
    } else {
        6
    }));
    colour::convert(&mut picture, media::h264::Colour { matrix, ..newest.colour });
    picture
}

fn describe(want: u16, of: &Decoded, decoded: Mono, picture: &I420, jpeg: bytes::Bytes) -> Picture {
    let narrow = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let (width, height) = (narrow(picture.width()), narrow(picture.height()));
    Picture {
        want,
        width,
        height,
        captured: of.captured,
        received: of.received,
        decoded,
        encoded: clock::mono(),
        jpeg,
    }
}
