//! From a camera's picture to what is sent.

use super::{Fault, coding::Coding};
use crate::{
    clock, encoder,
    picture::I420,
    raw::{self, Bad, Placed},
    tables::with_tables,
    v4l2::{self, Choice, Format, Layout, Shot, Stream, m2m::Looked},
};
use bytes::Bytes;
use media::{
    Codec, Mono, Payload, VideoParams,
    bits::split_annex_b,
    h264::{self, Colour, ParameterSets},
    jpeg,
};
use proto::ipc::{Capture, PictureFormat};
use std::sync::Arc;

/// Bits a second and pixel, where no bitrate is asked for, in percent; and bounds.
const BITS_PERCENT: u64 = 9;
const BITRATES: std::ops::RangeInclusive<u64> = 500_000..=12_000_000;

/// What becomes of the camera's pictures.
pub(super) enum Track {
    /// They are encoded.
    Encoded { coding: Box<Coding>, picture: I420, source: Source, sets: Sets },
    /// They are H.264 already.
    H264 { sets: Sets },
    /// They are JPEG files, and stay so.
    Jpeg { size: Option<(u32, u32)> },
}

/// How samples are got.
pub(super) enum Source {
    Raw(Placed),
    Jpeg,
}

/// The parameter sets of the stream.
#[derive(Default)]
pub(super) struct Sets {
    known: Option<Arc<ParameterSets>>,
    /// The server knows them.
    told: bool,
    /// A keyframe has been sent.
    begun: bool,
    /// What the samples mean, if that is known here better than to whoever encodes them.
    colour: Option<Colour>,
}

/// A picture as it is sent.
pub(super) struct Ready {
    pub(super) key: bool,
    pub(super) payload: Payload,
    /// What the stream consists of from now on.
    pub(super) codec: Option<Codec>,
    pub(super) when: When,
}

/// The times of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct When {
    pub(super) captured: Mono,
    /// The driver said when it was captured; else it is when it came.
    pub(super) sensed: bool,
    /// When the samples were there.
    pub(super) drawn: Mono,
}

impl When {
    /// A driver's clock that runs ahead is wrong.
    fn of(shot: &Shot<'_>, now: Mono) -> Self {
        let captured = shot.captured.unwrap_or(now).min(now);
        Self { captured, sensed: shot.captured.is_some(), drawn: now }
    }
}

/// Why a picture becomes none.
pub(super) enum Refused {
    Bad(Bad),
    Encoder(encoder::Error),
    /// The hardware that is insisted on has failed.
    Hardware(String),
}

impl Track {
    /// As asked, and as the camera gives them.
    ///
    /// # Errors
    /// Those of the encoder.
    pub(super) fn new(job: &Capture, stream: &Stream, looked: Looked) -> Result<Self, Fault> {
        let layout = stream.layout();
        let Choice { format, width, height, interval, .. } = layout.choice;
        let fps = interval.fps().round().clamp(1.0, 240.0) as u16;
        let gop = if job.gop == 0 { fps } else { job.gop };
        let natural = u64::from(width) * u64::from(height) * u64::from(fps) * BITS_PERCENT / 100;
        let natural = natural.clamp(*BITRATES.start(), *BITRATES.end());
        let bitrate =
            if job.bitrate == 0 { u32::try_from(natural).unwrap_or(u32::MAX) } else { job.bitrate };
        let (source, colour) = match format {
            Format::H264 => {
                v4l2::set_coding(stream.device(), gop, bitrate);
                return Ok(Self::H264 { sets: Sets::default() });
            }
            Format::Jpeg if job.format == PictureFormat::Mjpeg => {
                return Ok(Self::Jpeg { size: None });
            }
            Format::Jpeg => (Source::Jpeg, Colour { full_range: true, matrix: Some(6) }),
            Format::Raw(raw) => {
                let matrix = Some(if layout.colours.hd { 1 } else { 6 });
                let placed = Placed { raw, rows: height as usize, stride: layout.stride };
                (Source::Raw(placed), Colour { full_range: layout.colours.full_range, matrix })
            }
        };
        let options = encoder::Options { fps, gop, bitrate };
        let coding =
            Box::new(Coding::new(job.encoder, looked, (width & !1, height & !1), options, colour)?);
        let picture = I420::new(width as usize, height as usize);
        Ok(Self::Encoded { coding, picture, source, sets: Sets::of_colour(colour) })
    }

    /// Makes what is sent of a picture; `None` if nothing is, or not yet.
    pub(super) fn take(
        &mut self,
        shot: &Shot<'_>,
        layout: &Layout,
        now: Mono,
    ) -> Result<Option<Ready>, Refused> {
        let when = When::of(shot, now);
        match self {
            Self::Encoded { coding, picture, source, sets } => {
                match source {
                    Source::Raw(placed) => placed.copy(shot.bytes, picture),
                    Source::Jpeg => raw::decode(shot.bytes, picture),
                }
                .map_err(Refused::Bad)?;
                let drawn = clock::mono();
                coding.put(picture, When { drawn, ..when }, drawn, sets)
            }
            Self::H264 { sets } => {
                Ok(pass_on(shot.bytes, sets, now).map(|ready| Ready { when, ..ready }))
            }
            Self::Jpeg { size } => {
                file(shot.bytes, size, layout.choice, when).map_err(Refused::Bad).map(Some)
            }
        }
    }

    /// What has become ready of earlier pictures.
    pub(super) fn collect(&mut self, now: Mono) -> Result<Option<Ready>, Refused> {
        if let Self::Encoded { coding, sets, .. } = self {
            coding.collect(now, sets)
        } else {
            Ok(None)
        }
    }

    /// What encodes the pictures, if something does.
    pub(super) fn coding(&mut self) -> Option<&mut Coding> {
        if let Self::Encoded { coding, .. } = self { Some(coding) } else { None }
    }
}

/// H.264 of the camera as the hub wants it: without start codes, delimiters and filler, and with
/// parameter sets in each keyframe. `None` for what is no picture, and before the first keyframe.
pub(super) fn pass_on(bytes: &[u8], sets: &mut Sets, now: Mono) -> Option<Ready> {
    let stream = Bytes::copy_from_slice(bytes);
    let units =
        split_annex_b(&stream).filter(|u| !u.is_empty() && !matches!(h264::nal_type(u), 9..=12));
    let mut payload: Payload = units.map(|unit| sets.coloured(unit)).collect();
    let key = h264::is_key(&payload);
    // Sets may come in a buffer of their own.
    let codec = sets.news(key, &payload);
    if !payload.iter().any(|u| matches!(h264::nal_type(u), 1..=5)) || !sets.begun {
        return None;
    }
    if let Some(known) = sets.known.as_ref().filter(|_| key && h264::find_sets(&payload).is_none())
    {
        payload.insert(0, known.pps.clone());
        payload.insert(0, known.sps.clone());
    }
    Some(Ready { key, payload, codec, when: When { captured: now, sensed: false, drawn: now } })
}

/// The JPEG file in a buffer, which may be followed by rubbish.
fn file(
    bytes: &[u8],
    size: &mut Option<(u32, u32)>,
    choice: Choice,
    when: When,
) -> Result<Ready, Bad> {
    let end = jpeg::Scanner::default().end(bytes).map_err(|e| Bad::Jpeg(e.to_string()))?;
    let Some(end) = end else {
        return Err(Bad::Short { got: bytes.len(), wanted: bytes.len() + 1 });
    };
    let bytes = Bytes::from(with_tables(&bytes[..end]).into_owned());
    let now = jpeg::size(&bytes).ok_or(Bad::Size(choice.width as usize, choice.height as usize))?;
    let video = VideoParams { width: now.0, height: now.1, fps: None, max_reorder: Some(0) };
    let codec = (size.replace(now) != Some(now)).then_some(Codec::Mjpeg(video));
    Ok(Ready { key: true, payload: [bytes].into_iter().collect(), codec, when })
}

impl Sets {
    /// For an encoder that may not know what its samples mean, and does not always say it if it
    /// does.
    pub(super) fn of_colour(colour: Colour) -> Self {
        Self { colour: Some(colour), ..Self::default() }
    }

    /// The unit, of a sequence parameter set with the colour in it.
    fn coloured(&self, unit: Bytes) -> Bytes {
        let Some(colour) = self.colour.filter(|_| h264::nal_type(&unit) == h264::nal::SPS) else {
            return unit;
        };
        h264::with_colour(&unit, colour).unwrap_or(unit)
    }

    /// Takes note of sets; at a keyframe returns what the stream consists of, if the server does
    /// not know that.
    pub(super) fn news(&mut self, key: bool, payload: &[Bytes]) -> Option<Codec> {
        if let Some((sps, pps)) = h264::find_sets(payload)
            && self.known.as_ref().is_none_or(|known| known.sps != sps || known.pps != pps)
            // Of sets that cannot be read nothing is told; no player could.
            && let Ok(sets) = ParameterSets::parse(Bytes::copy_from_slice(sps), Bytes::copy_from_slice(pps))
        {
            (self.known, self.told) = (Some(Arc::new(sets)), false);
        }
        if !key || std::mem::replace(&mut self.told, self.known.is_some()) {
            return None;
        }
        let known = self.known.clone()?;
        self.begun = true;
        Some(Codec::H264(Some(known)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoder::{Encoder, Options},
        picture,
    };
    use media::{ClockPair, Wall};
    use std::time::Duration;

    const NOW: Mono = Mono::from_nanos(7);
    const WHEN: When = When { captured: NOW, sensed: false, drawn: NOW };

    /// Coded pictures with start codes, a keyframe every five.
    fn coded(count: u64, width: usize) -> Vec<Vec<Bytes>> {
        let mut encoder = Encoder::new(Options { fps: 30, gop: 5, bitrate: 300_000 }).unwrap();
        let options = picture::Options { name: "t".into(), width, height: 96, fps: 30, noise: 0 };
        let mut picture = picture::Picture::new(&options);
        let mut one = |i: u64| {
            let now = ClockPair {
                mono: Mono::from_nanos(i * 33_000_000),
                wall: Wall::from_micros(i as i64 * 33_000),
            };
            encoder
                .encode(picture.draw(now), Duration::from_millis(i * 33))
                .unwrap()
                .unwrap()
                .payload
                .to_vec()
        };
        (0..count).map(&mut one).collect()
    }

    fn annex_b(units: &[Bytes]) -> Vec<u8> {
        units.iter().flat_map(|u| [&[0, 0, 0, 1], &u[..]].concat()).collect()
    }

    fn size(ready: &Ready) -> Option<u32> {
        match &ready.codec {
            Some(Codec::H264(Some(sets))) => Some(sets.video.width),
            _ => None,
        }
    }

    #[test]
    fn h264_of_a_camera_begins_with_a_keyframe_and_is_handed_on_clean() {
        let frames = coded(7, 128);
        let mut sets = Sets::default();
        assert!(pass_on(&annex_b(&frames[1]), &mut sets, NOW).is_none(), "nobody could decode it");
        let delimiter = [&[0, 0, 0, 1, 9, 0xf0][..], &annex_b(&frames[0])].concat();
        let first = pass_on(&delimiter, &mut sets, NOW).unwrap();
        assert_eq!(
            (first.key, size(&first), &first.payload[..]),
            (true, Some(128), &frames[0][..])
        );
        let second = pass_on(&annex_b(&frames[1]), &mut sets, NOW).unwrap();
        assert_eq!((second.key, size(&second), &second.payload[..]), (false, None, &frames[1][..]));
        let again = pass_on(&annex_b(&frames[5]), &mut sets, NOW).unwrap();
        assert_eq!((again.key, size(&again)), (true, None), "nothing new");
    }

    #[test]
    fn parameter_sets_may_come_alone_and_may_change_and_are_in_every_keyframe() {
        let (small, large) = (coded(6, 128), coded(1, 160));
        let (heads, slice): (Vec<_>, Vec<_>) =
            small[0].iter().cloned().partition(|u| matches!(h264::nal_type(u), 7 | 8));
        let mut sets = Sets::default();
        assert!(pass_on(&annex_b(&heads), &mut sets, NOW).is_none(), "no picture");
        let first = pass_on(&annex_b(&slice), &mut sets, NOW).unwrap();
        assert_eq!((size(&first), &first.payload[..]), (Some(128), &small[0][..]));
        let (heads, slice): (Vec<_>, Vec<_>) =
            large[0].iter().cloned().partition(|u| matches!(h264::nal_type(u), 7 | 8));
        assert!(pass_on(&annex_b(&heads), &mut sets, NOW).is_none());
        let changed = pass_on(&annex_b(&slice), &mut sets, NOW).unwrap();
        assert_eq!(
            (changed.key, size(&changed), &changed.payload[..]),
            (true, Some(160), &large[0][..])
        );
        assert!(pass_on(&[1, 2, 3], &mut sets, NOW).is_none());
    }

    #[test]
    fn a_jpeg_is_handed_on_without_the_rubbish_behind_it() {
        let file_of = |width| crate::jpeg::encode(&I420::new(width, 48), 80).unwrap();
        let choice = Choice {
            code: v4l2::FourCc::new(*b"MJPG"),
            format: Format::Jpeg,
            width: 64,
            height: 48,
            interval: v4l2::Interval::of_fps(30),
        };
        let mut size = None;
        let whole = file_of(64);
        let ready = file(&[&whole[..], &[0; 99]].concat(), &mut size, choice, WHEN).unwrap();
        assert_eq!((ready.key, &ready.payload[0]), (true, &whole));
        assert!(
            matches!(&ready.codec, Some(Codec::Mjpeg(video)) if (video.width, video.height) == (64, 48))
        );
        assert!(file(&whole, &mut size, choice, WHEN).unwrap().codec.is_none());
        assert!(
            file(&file_of(80), &mut size, choice, WHEN).unwrap().codec.is_some(),
            "another size"
        );
        assert!(file(&whole[..whole.len() / 2], &mut size, choice, WHEN).is_err());
        assert!(file(b"no picture", &mut size, choice, WHEN).is_err());
    }
}
