//! What goes to and from a worker that makes pictures (JPEG) of a camera's coded stream.

use super::{Error, Reader, Writer};
use bytes::Bytes;
use media::{Mono, Payload};

/// Most kinds of pictures that one worker makes at the same time.
pub const MAX_WANTS: usize = 16;

/// A kind of picture that somebody wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// By what the pictures are told apart; chosen by the server, never used twice in one
    /// conversation.
    pub id: u16,
    /// Luma columns; 0 and everything above the stream's own width mean that width.
    pub width: u16,
    /// Quality of JPEG, 1 to 100.
    pub quality: u8,
    /// Microseconds from one picture to the next, at least.
    pub interval_us: u32,
}

/// A coded frame of the stream, in decoding order, the first one a keyframe. After a gap it goes on
/// at a keyframe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coded {
    /// When it is shown, on any clock: tells reordered frames.
    pub pts: i64,
    /// Decoding can start here.
    pub key: bool,
    /// Worth a picture: it is the newest, or new enough for whoever waits.
    pub show: bool,
    /// When the light fell on the sensor.
    pub captured: Mono,
    /// When it reached the server.
    pub received: Mono,
    /// NAL units without start codes.
    pub payload: Payload,
}

/// A picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// The want it is for.
    pub want: u16,
    /// Luma columns.
    pub width: u16,
    /// Luma rows.
    pub height: u16,
    /// As of the coded frame.
    pub captured: Mono,
    /// As of the coded frame.
    pub received: Mono,
    /// When it was decoded.
    pub decoded: Mono,
    /// When the JPEG was ready.
    pub encoded: Mono,
    /// The whole file.
    pub jpeg: Bytes,
}

pub(super) fn write_wants(body: &mut Writer, wants: &[Want]) {
    let wants = &wants[..wants.len().min(MAX_WANTS)];
    body.u8(wants.len() as u8);
    for want in wants {
        body.u16(want.id);
        body.u16(want.width);
        body.u8(want.quality);
        body.u32(want.interval_us);
    }
}

pub(super) fn read_wants(body: &mut Reader) -> Result<Vec<Want>, Error> {
    let count = usize::from(body.u8()?);
    if count > MAX_WANTS {
        return body.bad("number of wants");
    }
    (0..count)
        .map(|_| {
            Ok(Want {
                id: body.u16()?,
                width: body.u16()?,
                quality: body.u8()?,
                interval_us: body.u32()?,
            })
        })
        .collect()
}

impl Coded {
    pub(super) fn write(&self, body: &mut Writer) {
        body.i64(self.pts);
        body.flag(self.key);
        body.flag(self.show);
        body.u64(self.captured.as_nanos());
        body.u64(self.received.as_nanos());
        body.units(&self.payload);
    }

    pub(super) fn read(body: &mut Reader) -> Result<Self, Error> {
        Ok(Self {
            pts: body.i64()?,
            key: body.flag("key flag")?,
            show: body.flag("show flag")?,
            captured: Mono::from_nanos(body.u64()?),
            received: Mono::from_nanos(body.u64()?),
            payload: body.units()?,
        })
    }
}

impl Picture {
    pub(super) fn write(&self, body: &mut Writer) {
        for v in [self.want, self.width, self.height] {
            body.u16(v);
        }
        for at in [self.captured, self.received, self.decoded, self.encoded] {
            body.u64(at.as_nanos());
        }
        body.units(std::slice::from_ref(&self.jpeg));
    }

    pub(super) fn read(body: &mut Reader) -> Result<Self, Error> {
        let [want, width, height] = [body.u16()?, body.u16()?, body.u16()?];
        let mut at = || Ok(Mono::from_nanos(body.u64()?));
        let (captured, received, decoded, encoded) = (at()?, at()?, at()?, at()?);
        let mut units = body.units()?;
        match (units.pop(), units.is_empty()) {
            (Some(jpeg), true) => {
                Ok(Self { want, width, height, captured, received, decoded, encoded, jpeg })
            }
            _ => body.bad("number of units"),
        }
    }
}
