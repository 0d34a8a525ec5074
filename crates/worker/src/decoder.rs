//! Raw pictures from H.264: openh264 behind the few words the worker needs.

use crate::picture::I420;
use media::{
    Mono,
    h264::{self, Colour, ParameterSets},
};
use openh264::{
    OpenH264API,
    decoder::{DecodeOptions, DecodedYUV, DecoderConfig, Flush},
    formats::YUVSource,
};
use proto::ipc::Coded;
use std::{cmp::Reverse, collections::BinaryHeap};

/// Frames that a stream may hold back to put them into order (§A.3.1: no level allows more).
const MAX_REORDER: usize = 16;

/// The codec library refused; its own words.
#[derive(Debug, thiserror::Error)]
#[error("H.264 decoder: {0}")]
pub struct Error(#[from] openh264::Error);

/// A raw picture and where it comes from.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The samples, as the stream has them.
    pub picture: I420,
    /// What they mean.
    pub colour: Colour,
    /// When the light fell on the sensor.
    pub captured: Mono,
    /// When the coded frame reached the server.
    pub received: Mono,
}

/// A decoder of one stream, which may change its size and begin anew at any keyframe.
pub struct Decoder {
    inner: openh264::decoder::Decoder,
    colour: Colour,
    sets: Option<bytes::Bytes>,
    /// Annex B, as the library wants it.
    stream: Vec<u8>,
    waiting: Waiting,
    /// A keyframe must come before anything else can be decoded.
    lost: bool,
}

/// The times of frames that went in and have not come out.
#[derive(Default)]
struct Waiting {
    times: BinaryHeap<Reverse<(i64, Mono, Mono)>>,
    newest: i64,
    /// Frames come in another order than they are shown.
    reorders: bool,
}

impl Decoder {
    /// A decoder that waits for its first keyframe.
    ///
    /// # Errors
    /// If the codec library cannot be initialised.
    pub fn new() -> Result<Self, Error> {
        let inner = openh264::decoder::Decoder::with_api_config(
            OpenH264API::from_source(),
            DecoderConfig::new(),
        )?;
        let waiting = Waiting::default();
        Ok(Self {
            inner,
            colour: Colour::default(),
            sets: None,
            stream: Vec::new(),
            waiting,
            lost: true,
        })
    }

    /// Decodes the next frame into `into`; true if a picture came out. Until the first keyframe,
    /// and after an error until the next one, frames are passed over.
    ///
    /// # Errors
    /// What the codec library says of a frame that it cannot decode.
    pub fn decode(&mut self, coded: &Coded, into: &mut Option<Decoded>) -> Result<bool, Error> {
        if coded.key {
            self.begin(coded);
        } else if self.lost {
            return Ok(false);
        }
        self.lost = true;
        self.waiting.push(coded);
        self.stream.clear();
        for unit in &coded.payload {
            self.stream.extend_from_slice(&[0, 0, 0, 1]);
            self.stream.extend_from_slice(unit);
        }
        // Frames in the order of their showing can be had at once; asking for those of others would
        // mix them up.
        let flush = if self.waiting.reorders { Flush::NoFlush } else { Flush::Flush };
        let shown = self
            .inner
            .decode_with_options(&self.stream, DecodeOptions::new().flush_after_decode(flush))?;
        self.lost = false;
        let Some(shown) = shown else { return Ok(false) };
        let (captured, received) = self.waiting.pop().unwrap_or((coded.captured, coded.received));
        let mut picture = into.take().map(|d| d.picture);
        let picture = copy(&shown, picture.take());
        *into = Some(Decoded { picture, colour: self.colour, captured, received });
        Ok(true)
    }

    /// Notes what a keyframe says of the stream.
    fn begin(&mut self, coded: &Coded) {
        let Some((sps, pps)) = h264::find_sets(&coded.payload) else { return };
        if self.sets.as_ref() == Some(sps) {
            return;
        }
        self.sets = Some(sps.clone());
        if let Ok(sets) = ParameterSets::parse(sps.clone(), pps.clone()) {
            self.colour = sets.colour();
            self.waiting = Waiting {
                reorders: sets.video.max_reorder.is_some_and(|n| n > 0),
                ..Waiting::default()
            };
        }
    }
}

impl Waiting {
    fn push(&mut self, coded: &Coded) {
        // Streams that do not say whether they reorder show it sooner or later.
        let back = self.newest.saturating_sub(coded.pts);
        self.reorders |= !coded.key && back > 0;
        self.newest = if coded.key { coded.pts } else { self.newest.max(coded.pts) };
        self.times.push(Reverse((coded.pts, coded.captured, coded.received)));
        if !self.reorders {
            // One comes out for each that goes in, so nothing older can be waiting.
            while self.times.len() > 1 {
                self.times.pop();
            }
        } else if self.times.len() > MAX_REORDER {
            self.times.pop();
        }
    }

    fn pop(&mut self) -> Option<(Mono, Mono)> {
        self.times.pop().map(|Reverse((_, captured, received))| (captured, received))
    }
}

/// Copies the picture out of the decoder's memory, into the one given if that is of the right size.
fn copy(shown: &DecodedYUV<'_>, old: Option<I420>) -> I420 {
    let (w, h) = shown.dimensions();
    let (w, h) = (w & !1, h & !1);
    let mut picture =
        old.filter(|p| (p.width(), p.height()) == (w, h)).unwrap_or_else(|| I420::new(w, h));
    let (y, u, v) = shown.strides();
    let sources = [(shown.y(), y), (shown.u(), u), (shown.v(), v)];
    for ((to, w, h), (from, stride)) in picture.planes_mut().into_iter().zip(sources) {
        let rows = to.chunks_exact_mut(w.max(1)).zip(from.chunks(stride.max(1))).take(h);
        rows.for_each(|(to, from)| to.copy_from_slice(&from[..w]));
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoder::{Encoder, Options},
        picture::{self, Picture, clock::Stamp},
    };
    use media::{ClockPair, Wall};
    use std::time::Duration;

    fn frames(count: u64) -> Vec<Coded> {
        let mut encoder = Encoder::new(Options { fps: 30, gop: 10, bitrate: 1_000_000 }).unwrap();
        let mut picture = Picture::new(&picture::Options {
            name: "t".into(),
            width: 640,
            height: 360,
            fps: 30,
            noise: 0,
        });
        let mut one = |i: u64| {
            let mono = Mono::from_nanos(i * 33_333_333);
            let now = ClockPair { mono, wall: Wall::from_micros(i as i64 * 33_333) };
            let coded = encoder
                .encode(picture.draw(now), Duration::from_nanos(mono.as_nanos()))
                .unwrap()
                .unwrap();
            Coded {
                pts: i as i64 * 3000,
                key: coded.key,
                show: true,
                captured: mono,
                received: mono,
                payload: coded.payload,
            }
        };
        (0..count).map(&mut one).collect()
    }

    fn number(decoded: &Decoded) -> u16 {
        let [y, ..] = decoded.picture.planes();
        Stamp::read(y, 640, 360, 640).unwrap().frame
    }

    #[test]
    fn every_frame_comes_out_at_once_and_with_its_own_time() {
        let (mut decoder, mut decoded) = (Decoder::new().unwrap(), None);
        for (i, frame) in frames(25).iter().enumerate() {
            assert!(decoder.decode(frame, &mut decoded).unwrap());
            let decoded = decoded.as_ref().unwrap();
            assert_eq!((number(decoded), decoded.captured), (i as u16, frame.captured));
            assert_eq!(decoded.colour.matrix, Some(1), "the encoder says BT.709");
        }
    }

    #[test]
    fn it_waits_for_a_keyframe_at_first_and_after_damage() {
        let (mut decoder, mut decoded) = (Decoder::new().unwrap(), None);
        let mut frames = frames(35);
        assert!(!decoder.decode(&frames[3], &mut decoded).unwrap());
        assert!(decoder.decode(&frames[10], &mut decoded).unwrap());
        frames[11].payload =
            [bytes::Bytes::from_static(&[0x41, 0xff, 0xff, 0xff, 0xff])].into_iter().collect();
        let damaged = decoder.decode(&frames[11], &mut decoded);
        if damaged.is_err() {
            assert!(!decoder.decode(&frames[12], &mut decoded).unwrap());
        }
        assert!(decoder.decode(&frames[20], &mut decoded).unwrap());
        assert_eq!(number(decoded.as_ref().unwrap()), 20);
    }

    #[test]
    fn times_of_reordered_frames_come_out_in_the_order_of_showing() {
        let mut waiting = Waiting::default();
        let at = |pts: i64| Mono::from_nanos(pts as u64);
        let coded = |pts, key| Coded {
            pts,
            key,
            show: true,
            captured: at(pts),
            received: at(pts),
            payload: Default::default(),
        };
        waiting.push(&coded(0, true));
        assert_eq!(waiting.pop(), Some((at(0), at(0))));
        [90, 30, 60].into_iter().for_each(|pts| waiting.push(&coded(pts, false)));
        assert!(waiting.reorders);
        assert_eq!([waiting.pop(), waiting.pop()].map(|t| t.unwrap().0), [at(30), at(60)]);
    }
}
