//! What encodes a camera's pictures: hardware where there is some, else the processors, which also
//! take over when it fails.

use super::{
    Fault,
    track::{Ready, Refused, Sets, When, pass_on},
};
use crate::{
    encoder::{self, Encoder},
    picture::I420,
    v4l2::m2m::{Failed, Looked, Session, Wish},
};
use media::{Mono, h264::Colour};
use proto::ipc::{EncoderChoice, Level, Loss};
use std::{mem, os::fd::BorrowedFd, time::Duration};

/// Pictures in a row that may be no good before the hardware is given up.
const MAX_BAD: u32 = 8;
/// Notes that are kept until somebody takes them.
const MAX_NOTES: usize = 8;

/// An encoder, and what comes after it.
pub(super) struct Coding {
    coder: Coder,
    options: encoder::Options,
    colour: Colour,
    /// Hardware was asked for, so nothing else will do.
    insists: bool,
    notes: Vec<(Level, String)>,
    /// Pictures that went in and came to nothing.
    skipped: u64,
}

enum Coder {
    Software(Box<Encoder>),
    Hardware(Box<Hardware>),
}

struct Hardware {
    session: Session<When>,
    /// A picture was damaged: what follows is no good until a keyframe.
    lost: bool,
    bad: u32,
    /// The log says already that it makes no keyframes on demand.
    refuses_keyframes: bool,
}

/// Why hardware is no longer used.
#[derive(Debug, thiserror::Error)]
enum Useless {
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("{0} pictures in a row were no good")]
    Bad(u32),
}

impl Coding {
    /// The first hardware that takes such pictures, or the processors, as the choice allows.
    ///
    /// # Errors
    /// If the hardware that is insisted on is not there or does not take the pictures; those of the
    /// software.
    pub(super) fn new(
        choice: EncoderChoice,
        looked: Looked,
        size: (u32, u32),
        options: encoder::Options,
        colour: Colour,
    ) -> Result<Self, Fault> {
        let wish = Wish {
            width: size.0,
            height: size.1,
            fps: options.fps,
            gop: options.gop,
            bitrate: options.bitrate,
            colour,
        };
        let insists = choice == EncoderChoice::Hardware;
        let software = choice == EncoderChoice::Software;
        let Looked { encoders, others } = if software { Looked::default() } else { looked };
        let mut reasons = Vec::new();
        for encoder in encoders {
            let name = encoder.found.to_string();
            match Session::start(encoder, &wish) {
                Ok(session) => {
                    let notes = vec![(Level::Info, format!("encoded by {name}"))];
                    let hardware =
                        Hardware { session, lost: false, bad: 0, refuses_keyframes: false };
                    let coder = Coder::Hardware(Box::new(hardware));
                    return Ok(Self { coder, options, colour, insists, notes, skipped: 0 });
                }
                Err(why) => reasons.push(format!("{name}: {why}")),
            }
        }
        if insists {
            return Err(Fault::Camera(Loss::Refused, none_will_do(size, &reasons, &others)));
        }
        let note = match reasons.is_empty() {
            true => (Level::Info, "encoded in software".to_owned()),
            false => (
                Level::Warn,
                format!(
                    "encoded in software, for the hardware cannot be used: {}",
                    reasons.join("; ")
                ),
            ),
        };
        let coder = Coder::Software(Box::new(Encoder::in_colours(options, colour)?));
        Ok(Self { coder, options, colour, insists, notes: vec![note], skipped: 0 })
    }

    /// A picture may be put in.
    ///
    /// # Errors
    /// As of [`Coding::collect`].
    pub(super) fn has_room(&mut self, now: Mono) -> Result<bool, Refused> {
        let Coder::Hardware(hardware) = &mut self.coder else { return Ok(true) };
        match hardware.session.has_room(now) {
            Ok(room) => Ok(room),
            Err(why) => self.give_up(&why.into()).map(|()| true),
        }
    }

    /// Encodes a picture; what is ready at once is returned.
    ///
    /// # Errors
    /// As of [`Coding::collect`].
    pub(super) fn put(
        &mut self,
        picture: &I420,
        when: When,
        now: Mono,
        sets: &mut Sets,
    ) -> Result<Option<Ready>, Refused> {
        if let Coder::Hardware(hardware) = &mut self.coder {
            match hardware.session.put(picture, when.captured, when, now) {
                Ok(true) => return Ok(None),
                Ok(false) => {
                    self.skipped += 1;
                    return Ok(None);
                }
                // The picture is still there.
                Err(why) => self.give_up(&why.into())?,
            }
        }
        let Coder::Software(encoder) = &mut self.coder else { return Ok(None) };
        let age = Duration::from_nanos(when.drawn.as_nanos());
        let coded = encoder.encode(picture, age).map_err(Refused::Encoder)?;
        Ok(coded.map(|c| Ready {
            key: c.key,
            codec: sets.news(c.key, &c.payload),
            payload: c.payload,
            when,
        }))
    }

    /// What has become ready since. `None` if nothing has.
    ///
    /// # Errors
    /// If the hardware that is insisted on fails; those of the software.
    pub(super) fn collect(&mut self, now: Mono, sets: &mut Sets) -> Result<Option<Ready>, Refused> {
        let Coder::Hardware(hardware) = &mut self.coder else { return Ok(None) };
        match hardware.next(now, sets, &mut self.skipped) {
            Ok(ready) => Ok(ready),
            Err(why) => self.give_up(&why).map(|()| None),
        }
    }

    /// Says why, and goes on with the processors.
    fn give_up(&mut self, why: &Useless) -> Result<(), Refused> {
        let Coder::Hardware(hardware) = &self.coder else { return Ok(()) };
        let name = hardware.session.encoder().found.to_string();
        if self.insists {
            return Err(Refused::Hardware(format!(
                "the encoder {name} has failed: {why}; encoder=auto would go on in software"
            )));
        }
        self.skipped += hardware.session.in_flight() as u64;
        let software = Encoder::in_colours(self.options, self.colour).map_err(Refused::Encoder)?;
        self.coder = Coder::Software(Box::new(software));
        self.note(
            Level::Warn,
            format!("the encoder {name} has failed: {why}; encoded in software from now on"),
        );
        Ok(())
    }

    /// Something can be collected or put in when this is ready.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        if let Coder::Hardware(hardware) = &self.coder { hardware.session.fd() } else { None }
    }

    /// When to look again, whatever happens.
    pub(super) fn due(&self, now: Mono) -> Option<Mono> {
        if let Coder::Hardware(hardware) = &self.coder { hardware.session.due(now) } else { None }
    }

    pub(super) fn force_keyframe(&mut self) {
        let every = self.options.gop;
        match &mut self.coder {
            Coder::Software(encoder) => encoder.force_keyframe(),
            Coder::Hardware(hardware) => {
                let can = hardware.session.force_keyframe();
                if !can && !mem::replace(&mut hardware.refuses_keyframes, true) {
                    self.note(Level::Info, format!("this encoder makes keyframes every {every} pictures, and none on demand"));
                }
            }
        }
    }

    fn note(&mut self, level: Level, words: String) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push((level, words));
        }
    }

    /// What is to be said in the log.
    pub(super) fn notes(&mut self) -> Vec<(Level, String)> {
        mem::take(&mut self.notes)
    }

    /// Pictures that came to nothing since this was last asked.
    pub(super) fn skipped(&mut self) -> u64 {
        mem::take(&mut self.skipped)
    }
}

impl Hardware {
    fn next(
        &mut self,
        now: Mono,
        sets: &mut Sets,
        skipped: &mut u64,
    ) -> Result<Option<Ready>, Useless> {
        while let Some(done) = self.session.take()? {
            *skipped += done.left_out;
            let Some(when) = done.tag else {
                // Parameter sets alone are kept for the next keyframe.
                pass_on(&done.bytes, sets, now);
                continue;
            };
            let ready = if done.damaged { None } else { pass_on(&done.bytes, sets, now) };
            match ready {
                Some(ready) if ready.key || !self.lost => {
                    (self.lost, self.bad) = (false, 0);
                    return Ok(Some(Ready { when, ..ready }));
                }
                _ => {
                    *skipped += 1;
                    // An empty one is left out to save bits, and nothing refers to it.
                    if !done.bytes.is_empty() || done.damaged {
                        self.spoilt()?;
                    }
                }
            }
        }
        self.session.check(now)?;
        Ok(None)
    }

    /// Goes on at a keyframe.
    fn spoilt(&mut self) -> Result<(), Useless> {
        self.bad += 1;
        if self.bad >= MAX_BAD {
            return Err(Useless::Bad(self.bad));
        }
        if !mem::replace(&mut self.lost, true) {
            self.session.force_keyframe();
        }
        Ok(())
    }
}

fn none_will_do((width, height): (u32, u32), reasons: &[String], others: &[String]) -> String {
    let wanted = "a device that takes YU12 or NV12 and makes H264 (V4L2, memory to memory)";
    let found = match reasons.iter().chain(others).map(String::as_str).collect::<Vec<_>>() {
        known if known.is_empty() => "this machine has none".to_owned(),
        known => format!("this machine has none for {width}x{height}: {}", known.join("; ")),
    };
    format!(
        "encoder=hardware: {wanted} was looked for, and {found}; encoder=auto encodes in software"
    )
}

#[cfg(test)]
mod tests;
