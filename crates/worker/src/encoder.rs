//! H.264 from raw pictures: openh264 behind the few words the worker needs.
//!
//! Constrained Baseline, so there are no B-frames and decoders hold nothing back; one slice a
//! frame, because viewers are served by runs of equal packets that end with a NAL unit; parameter
//! sets in every keyframe.

use crate::picture::I420;
use bytes::{Bytes, BytesMut};
use media::{
    Payload,
    h264::{self, Colour},
};
use openh264::{
    OpenH264API, Timestamp,
    encoder::{
        BitRate, Complexity, EncodedBitStream, EncoderConfig, FrameRate, IntraFramePeriod, Profile,
        QpRange, RateControlMode, UsageType, VuiConfig,
    },
    formats::YUVSlices,
};
use openh264_sys2::{ENCODER_OPTION_TRACE_LEVEL, WELS_LOG_QUIET};
use std::time::Duration;

/// How to encode.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Frames a second.
    pub fps: u16,
    /// Frames from one keyframe to the next.
    pub gop: u16,
    /// Bits a second.
    pub bitrate: u32,
}

/// Bounds of the quantiser: below 12 nobody sees a difference, above 42 clocks and faces are mud
/// and frames are dropped instead.
const QUANTISER: QpRange = QpRange::new(12, 42);

/// Columns and rows of the smallest unit of coding.
const MACROBLOCK: usize = 16;

/// An encoder of one stream.
pub struct Encoder {
    inner: openh264::encoder::Encoder,
}

/// A coded frame.
#[derive(Debug)]
pub struct Coded {
    /// Decoding can start here; the parameter sets come first in `payload`.
    pub key: bool,
    /// NAL units without start codes, slices of one buffer.
    pub payload: Payload,
}

/// The codec library refused; its own words.
#[derive(Debug, thiserror::Error)]
#[error("H.264 encoder: {0}")]
pub struct Error(#[from] openh264::Error);

impl Encoder {
    /// An encoder of pictures in the colours of the test picture (BT.709, limited range) that
    /// adapts to the size of the first picture.
    ///
    /// # Errors
    /// If the codec library cannot be initialised.
    pub fn new(options: Options) -> Result<Self, Error> {
        Self::in_colours(options, Colour { full_range: false, matrix: Some(1) })
    }

    /// An encoder of pictures in these colours, which the stream tells its players.
    ///
    /// # Errors
    /// As of [`Encoder::new`].
    pub fn in_colours(options: Options, colour: Colour) -> Result<Self, Error> {
        let standard =
            if colour.matrix == Some(1) { VuiConfig::bt709() } else { VuiConfig::bt601() };
        let config = EncoderConfig::new()
            .profile(Profile::Baseline)
            .usage_type(UsageType::CameraVideoRealTime)
            .complexity(Complexity::Low)
            .num_threads(1)
            .rate_control_mode(RateControlMode::Bitrate)
            .skip_frames(false)
            .bitrate(BitRate::from_bps(options.bitrate))
            .max_frame_rate(FrameRate::from_hz(options.fps.into()))
            .intra_frame_period(IntraFramePeriod::from_num_frames(options.gop.into()))
            .scene_change_detect(false)
            .background_detection(false)
            .adaptive_quantization(false)
            .qp(QUANTISER)
            .vui(standard.full_range(colour.full_range));
        let inner =
            openh264::encoder::Encoder::with_api_config(OpenH264API::from_source(), config)?;
        let mut encoder = Self { inner };
        encoder.silence()?;
        Ok(encoder)
    }

    /// Makes the next frame a keyframe.
    pub fn force_keyframe(&mut self) {
        self.inner.force_intra_frame();
    }

    /// Keeps the codec library from writing to stderr, where a worker's last words are looked for.
    #[expect(
        unsafe_code,
        reason = "the safe wrapper does this only after the library has had its say"
    )]
    fn silence(&mut self) -> Result<(), Error> {
        let mut level = WELS_LOG_QUIET;
        // SAFETY: `ENCODER_OPTION_TRACE_LEVEL` reads one `int` through the pointer during the call,
        // and is allowed before initialisation.
        let code = unsafe {
            self.inner.raw_api().set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast())
        };
        accepted(code, "log level")
    }

    /// Encodes the next picture, `at` after the stream's beginning. `None` if the encoder left it
    /// out.
    ///
    /// # Errors
    /// If the picture is smaller than a macroblock or of odd size, or the codec library fails.
    pub fn encode(&mut self, picture: &I420, at: Duration) -> Result<Option<Coded>, Error> {
        let [y, u, v] = picture.planes();
        let (w, h) = (picture.width(), picture.height());
        // The library does not survive every such size.
        if w.min(h) < MACROBLOCK || w % 2 + h % 2 > 0 {
            return Err(Error(openh264::Error::msg(&format!("{w}x{h} is no size for a picture"))));
        }
        let source = YUVSlices::new((y, u, v), (w, h), (w, w / 2, w / 2));
        let millis = u64::try_from(at.as_millis()).unwrap_or(u64::MAX >> 1);
        let coded = collect(&self.inner.encode_at(&source, Timestamp::from_millis(millis))?);
        Ok(coded)
    }
}

fn accepted(code: i32, what: &str) -> Result<(), Error> {
    if code == 0 {
        Ok(())
    } else {
        Err(Error(openh264::Error::msg(&format!("{what} refused with code {code}"))))
    }
}

/// Copies the units out of the encoder's memory into one buffer.
fn collect(coded: &EncodedBitStream<'_>) -> Option<Coded> {
    let mut buffer = BytesMut::new();
    let mut ends = Vec::with_capacity(4);
    let layers = (0..coded.num_layers()).filter_map(|i| coded.layer(i));
    for layer in layers {
        for unit in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)) {
            buffer.extend_from_slice(without_start_code(unit));
            ends.push(buffer.len());
        }
    }
    let mut buffer = buffer.freeze();
    let mut from = 0;
    let payload =
        ends.into_iter().map(|end| buffer.split_to(end - std::mem::replace(&mut from, end)));
    let payload: Payload = payload.filter(|unit: &Bytes| !unit.is_empty()).collect();
    (!payload.is_empty()).then(|| Coded { key: h264::is_key(&payload), payload })
}

fn without_start_code(unit: &[u8]) -> &[u8] {
    unit.strip_prefix(&[0, 0, 0, 1]).or_else(|| unit.strip_prefix(&[0, 0, 1])).unwrap_or(unit)
}

#[cfg(test)]
mod tests;
