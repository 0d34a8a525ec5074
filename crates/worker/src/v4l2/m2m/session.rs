//! The conversation with an encoder: raw pictures in, coded ones out, each with what belongs to it.

use super::{
    Encoder, Wish,
    settings::{self, Setting},
};
use crate::{
    picture::I420,
    raw::Placed,
    v4l2::{
        Raw,
        abi::{
            self, COLORSPACE_REC709, COLORSPACE_SMPTE170M, FIELD_NONE, FourCc, Fraction,
            PRIV_MAGIC, PixFormat, QUANTIZATION_FULL, QUANTIZATION_LIMITED, YCBCR_ENC_601,
            YCBCR_ENC_709,
        },
        coding::FORCE_KEYFRAME,
    },
};
use bytes::Bytes;
use media::{Mono, bits::split_annex_b, h264};
use nix::errno::Errno;
use std::{collections::VecDeque, os::fd::BorrowedFd, time::Duration};

/// Buffers for raw pictures: one that is encoded, one that waits for that, and one for encoders
/// that hold back their reference.
const RAW_BUFFERS: u32 = 3;
const CODED_BUFFERS: u32 = 4;
/// Pictures that are in the encoder at a time, as long as they come out again. More would be a
/// queue.
const IN_FLIGHT: usize = 2;
/// An encoder that has pictures and gives nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of a buffer for coded pictures, at least: a picture in two pieces would have to wait for
/// the next one.
const LEAST_CODED: u32 = 512 << 10;

/// What an encoder's device does. `output` is the kernel's word: to the device.
pub(in crate::v4l2) trait Driver {
    /// `EINVAL` if the driver does not know it.
    fn set_control(&mut self, id: u32, value: i32) -> nix::Result<()>;
    fn set_format(&mut self, output: bool, pix: PixFormat) -> nix::Result<PixFormat>;
    /// The raw formats for the coded one that is set.
    fn raw_formats(&mut self) -> Vec<FourCc>;
    fn set_interval(&mut self, interval: Fraction) -> nix::Result<()>;
    /// The part of the raw pictures that is encoded, as the driver agrees to it.
    fn crop(&mut self, width: u32, height: u32) -> nix::Result<(u32, u32)>;
    /// How many buffers there are. Those for coded pictures are the device's at once.
    fn allocate(&mut self, output: bool, count: u32) -> nix::Result<u32>;
    fn start(&mut self, output: bool) -> nix::Result<()>;
    /// Has a raw picture written into a buffer, and gives it to the device. False if it was not
    /// written.
    fn put(
        &mut self,
        index: u32,
        bytes: u32,
        micros: u64,
        write: &mut dyn FnMut(&mut [u8]) -> bool,
    ) -> nix::Result<bool>;
    /// A buffer of a raw picture that is ours again.
    fn take_back(&mut self) -> nix::Result<Option<u32>>;
    fn take(&mut self) -> nix::Result<Option<Piece>>;
    fn fd(&self) -> Option<BorrowedFd<'_>>;
}

/// A buffer that the device filled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::v4l2) struct Piece {
    pub(in crate::v4l2) bytes: Bytes,
    /// The time of the raw picture, if the driver says it.
    pub(in crate::v4l2) micros: Option<u64>,
    pub(in crate::v4l2) damaged: bool,
}

/// Why an encoder cannot be used, or not any longer.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The driver refused something.
    #[error("{0}: {desc} ({1:?})", desc = .1.desc().to_lowercase())]
    Driver(&'static str, Errno),
    /// No raw format is understood.
    #[error("it takes no pictures in YU12 or NV12")]
    Formats,
    /// Its pictures would be of another size.
    #[error("it does not take {}x{}; it would make {}x{}", .asked.0, .asked.1, .got.0, .got.1)]
    Size {
        /// Columns and rows.
        asked: (u32, u32),
        /// Columns and rows.
        got: (u32, u32),
    },
    /// There is no room for a picture in its buffers.
    #[error("its buffers are too small")]
    Buffers,
    /// Pictures went in, and none came out.
    #[error("it has given nothing for a second")]
    Silent,
}

/// Something that came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done<T> {
    /// As the device wrote it: of H.264, with start codes.
    pub bytes: Bytes,
    /// What was put in with the picture; `None` if this is no picture, but parameter sets alone.
    pub tag: Option<T>,
    /// Its time says which picture this is; else it is the one whose turn it is.
    pub by_time: bool,
    /// Something went wrong with this picture.
    pub damaged: bool,
    /// Older pictures that the encoder left out.
    pub left_out: u64,
}

struct Waiting<T> {
    micros: u64,
    since: Mono,
    tag: T,
}

/// An encoder at work. `T` belongs to a picture, and comes out with it.
pub struct Session<T> {
    encoder: Encoder,
    place: Placed,
    /// Bytes of a raw picture.
    size: u32,
    /// Buffers for raw pictures that are ours.
    free: Vec<u32>,
    waiting: VecDeque<Waiting<T>>,
    /// Of the newest picture that went in.
    micros: u64,
    newest: Mono,
    interval: Duration,
}

impl<T> Session<T> {
    /// Sets an encoder up and starts it.
    ///
    /// # Errors
    /// [`Failed`] if it does not take what is wanted.
    pub fn start(mut encoder: Encoder, wish: &Wish) -> Result<Self, Failed> {
        let coded = encoder.coded;
        let (place, size) = set_up(&mut *encoder.driver, wish, coded)?;
        let driver = &mut encoder.driver;
        let buffers = driver
            .allocate(true, RAW_BUFFERS)
            .map_err(|e| Failed::Driver("buffers for its pictures", e))?;
        driver
            .allocate(false, CODED_BUFFERS)
            .map_err(|e| Failed::Driver("buffers for coded pictures", e))?;
        driver
            .start(false)
            .and_then(|()| driver.start(true))
            .map_err(|e| Failed::Driver("starting it", e))?;
        let interval = Duration::from_secs(1) / u32::from(wish.fps.max(1));
        let (free, waiting) = ((0..buffers).rev().collect(), VecDeque::new());
        Ok(Self {
            encoder,
            place,
            size,
            free,
            waiting,
            micros: 0,
            newest: Mono::default(),
            interval,
        })
    }

    /// Who it is.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// There is something to take when this can be read; [`Session::has_room`] may change when it
    /// can be written.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.encoder.driver.fd()
    }

    /// A picture may be put in. While none may, pictures grow old elsewhere, and the newest is put
    /// in afterwards.
    ///
    /// # Errors
    /// The driver's.
    pub fn has_room(&mut self, now: Mono) -> Result<bool, Failed> {
        while let Some(index) = self
            .encoder
            .driver
            .take_back()
            .map_err(|e| Failed::Driver("taking its pictures back", e))?
        {
            self.free.push(index);
        }
        // One that holds pictures until there are more gets more.
        let held = now.since(self.newest) > self.interval * 2;
        Ok(!self.free.is_empty() && (self.waiting.len() < IN_FLIGHT || held))
    }

    /// Puts in a picture, captured then. False if there is no room.
    ///
    /// # Errors
    /// The driver's, and [`Failed::Buffers`].
    pub fn put(
        &mut self,
        picture: &I420,
        captured: Mono,
        tag: T,
        now: Mono,
    ) -> Result<bool, Failed> {
        if !self.has_room(now)? {
            return Ok(false);
        }
        let Some(index) = self.free.pop() else { return Ok(false) };
        // No two are alike.
        let micros = (captured.as_nanos() / 1000).max(self.micros + 1);
        let place = self.place;
        let written = self
            .encoder
            .driver
            .put(index, self.size, micros, &mut |memory| place.fill(picture, memory));
        if !written.map_err(|e| Failed::Driver("giving it a picture", e))? {
            return Err(Failed::Buffers);
        }
        (self.micros, self.newest) = (micros, now);
        self.waiting.push_back(Waiting { micros, since: now, tag });
        Ok(true)
    }

    /// The next that has come out, if there is something.
    ///
    /// # Errors
    /// The driver's: `ENODEV` if it is gone.
    pub fn take(&mut self) -> Result<Option<Done<T>>, Failed> {
        let piece =
            self.encoder.driver.take().map_err(|e| Failed::Driver("taking a coded picture", e))?;
        let Some(Piece { bytes, micros, damaged }) = piece else { return Ok(None) };
        if self.encoder.coded == abi::H264 && !damaged && !bytes.is_empty() && !has_picture(&bytes)
        {
            return Ok(Some(Done { bytes, tag: None, by_time: false, damaged, left_out: 0 }));
        }
        // Where times are not carried through, pictures come out as they went in.
        let timed = micros.and_then(|micros| self.waiting.iter().position(|w| w.micros == micros));
        let (at, by_time) = (timed.unwrap_or(0), timed.is_some());
        let tag = self.waiting.drain(..(at + 1).min(self.waiting.len())).next_back().map(|w| w.tag);
        Ok(Some(Done { bytes, tag, by_time, damaged, left_out: at as u64 }))
    }

    /// Pictures that are in it.
    pub fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    /// When it has failed, if nothing comes out before.
    fn deadline(&self) -> Option<Mono> {
        Some(self.waiting.front()?.since + PATIENCE)
    }

    /// When to look again, whatever happens: then it has failed, or has room for one that moves the
    /// others.
    pub fn due(&self, now: Mono) -> Option<Mono> {
        let more = self.newest + self.interval * 2;
        let held = self.waiting.len() >= IN_FLIGHT && !self.free.is_empty() && more > now;
        Some(if held { self.deadline()?.min(more) } else { self.deadline()? })
    }

    /// # Errors
    /// [`Failed::Silent`] from the deadline on.
    pub fn check(&self, now: Mono) -> Result<(), Failed> {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            Err(Failed::Silent)
        } else {
            Ok(())
        }
    }

    /// Asks for a keyframe. False if it cannot make one on demand.
    pub fn force_keyframe(&mut self) -> bool {
        self.encoder.driver.set_control(FORCE_KEYFRAME, 1).is_ok()
    }
}

fn has_picture(bytes: &Bytes) -> bool {
    split_annex_b(bytes).any(|unit| matches!(h264::nal_type(&unit), 1..=5))
}

/// All that comes before the buffers, in the order that the kernel's document gives, with the
/// settings before it, where they bound what sizes are taken, and after it, where formats undo
/// them.
fn set_up(driver: &mut dyn Driver, wish: &Wish, coded: FourCc) -> Result<(Placed, u32), Failed> {
    let settings = settings::settings(wish);
    apply(driver, &settings);
    let Wish { width, height, .. } = *wish;
    let sizeimage = LEAST_CODED.max(width.saturating_mul(height) / 2);
    let pix = PixFormat {
        width,
        height,
        format: coded,
        field: FIELD_NONE,
        sizeimage,
        ..PixFormat::default()
    };
    let got =
        driver.set_format(false, pix).map_err(|e| Failed::Driver("setting what it makes", e))?;
    if got.format != coded {
        return Err(Failed::Driver("setting what it makes", Errno::EINVAL));
    }
    let known = driver.raw_formats();
    let wanted = [(abi::YU12, Raw::Yu12), (abi::NV12, Raw::Nv12)];
    let (format, raw) =
        wanted.into_iter().find(|(code, _)| known.contains(code)).ok_or(Failed::Formats)?;
    let pix = PixFormat { width, height, format, field: FIELD_NONE, ..colours(wish) };
    let got =
        driver.set_format(true, pix).map_err(|e| Failed::Driver("setting what it takes", e))?;
    if got.format != format {
        return Err(Failed::Formats);
    }
    // Not every driver knows rates.
    let _ = driver.set_interval(Fraction { numerator: 1, denominator: wish.fps.max(1).into() });
    crop(driver, (width, height), (got.width, got.height))?;
    apply(driver, &settings);
    let place = Placed { raw, stride: got.bytesperline as usize, rows: got.height as usize };
    let holds =
        place.holds(width as usize, height as usize) && place.bytes() <= got.sizeimage as usize;
    if holds { Ok((place, got.sizeimage)) } else { Err(Failed::Buffers) }
}

/// Has the encoder leave out what is around the picture.
fn crop(driver: &mut dyn Driver, asked: (u32, u32), whole: (u32, u32)) -> Result<(), Failed> {
    if asked == whole {
        return Ok(());
    }
    let fits = whole.0 >= asked.0 && whole.1 >= asked.1;
    let got = if fits { driver.crop(asked.0, asked.1).unwrap_or(whole) } else { whole };
    if got == asked { Ok(()) } else { Err(Failed::Size { asked, got }) }
}

fn apply(driver: &mut dyn Driver, settings: &[Setting]) {
    for (id, values) in settings {
        // What a driver does not know it does as it does.
        let _ = values.iter().find(|value| driver.set_control(*id, **value).is_ok());
    }
}

/// What the samples mean, for encoders that tell players.
fn colours(wish: &Wish) -> PixFormat {
    let hd = wish.colour.matrix == Some(1);
    let (colorspace, ycbcr_enc) =
        if hd { (COLORSPACE_REC709, YCBCR_ENC_709) } else { (COLORSPACE_SMPTE170M, YCBCR_ENC_601) };
    let quantization =
        if wish.colour.full_range { QUANTIZATION_FULL } else { QUANTIZATION_LIMITED };
    PixFormat { colorspace, ycbcr_enc, quantization, private: PRIV_MAGIC, ..PixFormat::default() }
}
