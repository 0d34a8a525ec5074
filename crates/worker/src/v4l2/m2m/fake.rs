//! An encoder that plays by a script: with the manners of `bcm2835-codec`, as its source shows
//! them, and the software's encoder inside.

use super::{
    Encoder, Found,
    session::{Driver, Piece},
    settings::{LEVEL, PROFILE},
};
use crate::{
    encoder::{self, Coded},
    picture::I420,
    raw::Placed,
    v4l2::{
        Identity, Raw,
        abi::{self, FourCc, Fraction, PixFormat},
        coding::{BITRATE, CODEC, FORCE_KEYFRAME, GOP_SIZE, H264_I_PERIOD, REPEAT_HEADERS},
    },
};
use bytes::Bytes;
use media::h264::{self, Colour};
use nix::errno::Errno;
use std::{cell::RefCell, collections::VecDeque, os::fd::BorrowedFd, rc::Rc, time::Duration};

/// Rows of a buffer and bytes of a row are multiples of these.
const ALIGNED: (u32, u32) = (32, 16);

/// How it behaves.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// Most columns and rows.
    pub(crate) largest: (u32, u32),
    /// Pictures that it keeps until another comes.
    pub(crate) holds: usize,
    /// Parameter sets come once, in a buffer of their own.
    pub(crate) sets_alone: bool,
    /// It says when the picture that came out was taken.
    pub(crate) copies_times: bool,
    /// After so many pictures it is gone.
    pub(crate) gone_after: u64,
    /// After so many pictures nothing comes out.
    pub(crate) silent_after: u64,
    /// These pictures, by number, come out damaged.
    pub(crate) damaged: Vec<u64>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            largest: (1920, 1920),
            holds: 0,
            sets_alone: false,
            copies_times: true,
            gone_after: u64::MAX,
            silent_after: u64::MAX,
            damaged: Vec::new(),
        }
    }
}

/// What was said to it.
pub(crate) type Heard = Rc<RefCell<Vec<String>>>;

/// An encoder that is played.
pub(crate) fn encoder(script: Script) -> (Encoder, Heard) {
    let heard = Heard::default();
    let identity =
        Identity { name: "played".into(), driver: "script".into(), bus: "platform".into() };
    let found = Found {
        path: "/dev/video11".into(),
        identity,
        takes: vec![abi::YU12, abi::NV12],
        largest: Some(script.largest),
    };
    let options = encoder::Options { fps: 30, gop: 60, bitrate: 10_000_000 };
    let fake = Fake {
        script,
        heard: heard.clone(),
        options,
        level: 11,
        visible: (0, 0),
        place: Placed { raw: Raw::Yu12, rows: 0, stride: 0 },
        memory: Vec::new(),
        done_with: VecDeque::new(),
        inside: VecDeque::new(),
        out: VecDeque::new(),
        encoder: None,
        pictures: 0,
        sets_sent: false,
    };
    (Encoder { found, coded: abi::H264, driver: Box::new(fake) }, heard)
}

struct Fake {
    script: Script,
    heard: Heard,
    options: encoder::Options,
    level: i32,
    visible: (u32, u32),
    place: Placed,
    memory: Vec<Vec<u8>>,
    done_with: VecDeque<u32>,
    inside: VecDeque<Piece>,
    out: VecDeque<Piece>,
    encoder: Option<encoder::Encoder>,
    pictures: u64,
    sets_sent: bool,
}

impl Fake {
    fn hear(&self, words: String) {
        self.heard.borrow_mut().push(words);
    }

    fn there(&self) -> nix::Result<()> {
        if self.pictures >= self.script.gone_after { Err(Errno::ENODEV) } else { Ok(()) }
    }

    fn piece(&self, bytes: Bytes, micros: u64) -> Piece {
        let damaged = self.script.damaged.contains(&self.pictures);
        Piece { bytes, micros: self.script.copies_times.then_some(micros), damaged }
    }

    fn encode(&mut self, picture: &I420, micros: u64) {
        let Some(encoder) = &mut self.encoder else { return };
        let Coded { payload, .. } =
            encoder.encode(picture, Duration::from_micros(micros)).unwrap().unwrap();
        let annex_b = |units: &[&Bytes]| {
            units.iter().flat_map(|u| [&[0, 0, 0, 1], &u[..]].concat()).collect::<Bytes>()
        };
        let (sets, rest): (Vec<_>, Vec<_>) =
            payload.iter().partition(|unit| matches!(h264::nal_type(unit), 7 | 8));
        let pieces = match self.script.sets_alone {
            true if !self.sets_sent => {
                vec![self.piece(annex_b(&sets), micros), self.piece(annex_b(&rest), micros)]
            }
            true => vec![self.piece(annex_b(&rest), micros)],
            false => vec![self.piece(annex_b(&payload.iter().collect::<Vec<_>>()), micros)],
        };
        self.sets_sent = true;
        if self.pictures < self.script.silent_after {
            self.inside.extend(pieces);
        }
        self.pictures += 1;
        while self.inside.len() > self.script.holds {
            self.out.extend(self.inside.pop_front());
        }
    }
}

impl Driver for Fake {
    fn set_control(&mut self, id: u32, value: i32) -> nix::Result<()> {
        match id {
            PROFILE => self.hear(format!("profile {value}")),
            LEVEL if (5..16).contains(&value) => {
                self.level = value;
                self.hear(format!("level {value}"));
            }
            GOP_SIZE | H264_I_PERIOD => self.options.gop = value as u16,
            BITRATE => {
                self.options.bitrate = value as u32;
                self.hear(format!("bitrate {value}"));
            }
            FORCE_KEYFRAME => {
                self.encoder.as_mut().unwrap().force_keyframe();
                self.hear("keyframe".into());
            }
            REPEAT_HEADERS => self.hear("headers repeated".into()),
            _ if (CODEC..CODEC + 1000).contains(&id) => return Err(Errno::EINVAL),
            _ => panic!("{id:#x}"),
        }
        Ok(())
    }

    fn set_format(&mut self, output: bool, pix: PixFormat) -> nix::Result<PixFormat> {
        let (most_w, most_h) = self.script.largest;
        self.hear(format!(
            "{} {} {}x{}",
            if output { "takes" } else { "makes" },
            pix.format,
            pix.width,
            pix.height
        ));
        if !output {
            return Ok(PixFormat { sizeimage: pix.sizeimage.max(1 << 19), ..pix });
        }
        let (width, height) =
            (pix.width.min(most_w), pix.height.min(most_h).next_multiple_of(ALIGNED.1));
        let bytesperline = width.next_multiple_of(ALIGNED.0);
        self.visible = (width, height);
        let raw = if pix.format == abi::YU12 { Raw::Yu12 } else { Raw::Nv12 };
        self.place = Placed { raw, rows: height as usize, stride: bytesperline as usize };
        Ok(PixFormat {
            width,
            height,
            bytesperline,
            sizeimage: bytesperline * height * 3 / 2,
            ..pix
        })
    }

    fn raw_formats(&mut self) -> Vec<FourCc> {
        vec![FourCc::new(*b"RGB3"), abi::NV12, abi::YU12]
    }

    fn set_interval(&mut self, interval: Fraction) -> nix::Result<()> {
        self.options.fps = (interval.denominator / interval.numerator) as u16;
        Ok(())
    }

    fn crop(&mut self, width: u32, height: u32) -> nix::Result<(u32, u32)> {
        self.visible = (width.min(self.visible.0), height.min(self.visible.1));
        self.hear(format!("shows {}x{}", self.visible.0, self.visible.1));
        Ok(self.visible)
    }

    fn allocate(&mut self, output: bool, count: u32) -> nix::Result<u32> {
        if output {
            self.memory =
                vec![vec![0; self.place.stride * self.place.rows * 3 / 2]; count as usize];
        }
        Ok(count)
    }

    fn start(&mut self, output: bool) -> nix::Result<()> {
        // Level 4 ends at 1080p30.
        let blocks = u64::from(self.visible.0.div_ceil(16) * self.visible.1.div_ceil(16))
            * u64::from(self.options.fps);
        if output && self.level <= 11 && blocks > 245_760 {
            return Err(Errno::EINVAL);
        }
        // Other parameter sets than those of the software that may follow it.
        let colour = Colour { full_range: true, matrix: Some(6) };
        self.encoder = Some(encoder::Encoder::in_colours(self.options, colour).unwrap());
        Ok(())
    }

    fn put(
        &mut self,
        index: u32,
        bytes: u32,
        micros: u64,
        write: &mut dyn FnMut(&mut [u8]) -> bool,
    ) -> nix::Result<bool> {
        self.there()?;
        let memory = &mut self.memory[index as usize];
        assert_eq!(bytes as usize, memory.len());
        if !write(memory) {
            return Ok(false);
        }
        let mut picture = I420::new(self.visible.0 as usize, self.visible.1 as usize);
        self.place.copy(memory, &mut picture).unwrap();
        self.encode(&picture, micros);
        self.done_with.push_back(index);
        Ok(true)
    }

    fn take_back(&mut self) -> nix::Result<Option<u32>> {
        self.there().map(|()| self.done_with.pop_front())
    }

    fn take(&mut self) -> nix::Result<Option<Piece>> {
        self.there().map(|()| self.out.pop_front())
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
