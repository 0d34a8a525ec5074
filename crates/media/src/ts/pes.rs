//! Packetized elementary streams (§2.4.3.6): frames with their times, in the form that each codec
//! has there.

use crate::{AccessUnit, Codec, aac::AudioSpecificConfig, dts::Times, h264, h265};
use bytes::{BufMut, Bytes};

const VIDEO: u8 = 0xe0;
const AUDIO: u8 = 0xc0;
const PRIVATE: u8 = 0xbd;
const START_CODE: &[u8] = &[0, 0, 0, 1];
/// Access unit delimiters that allow all kinds of slices (H.264 §7.3.2.4, H.265 §7.3.2.5).
const H264_DELIMITER: &[u8] = &[0, 0, 0, 1, 0x09, 0xf0];
const H265_DELIMITER: &[u8] = &[0, 0, 0, 1, 0x46, 0x01, 0x50];

/// A frame of pictures: delimiter, then NAL units behind start codes. `sets` are put before a
/// keyframe that brings none.
pub(super) fn pictures<'a>(unit: &'a AccessUnit, codec: &'a Codec, pieces: &mut Vec<&'a [u8]>) {
    let h265 = matches!(codec, Codec::H265(_));
    pieces.push(if h265 { H265_DELIMITER } else { H264_DELIMITER });
    if unit.key {
        missing_sets(unit, codec).for_each(|set| pieces.extend([START_CODE, set]));
    }
    let delimits = |nal: &Bytes| match h265 {
        true => h265::nal_type(nal) == h265::nal::AUD,
        false => h264::nal_type(nal) == h264::nal::AUD,
    };
    for nal in unit.payload.iter().filter(|nal| !delimits(nal)) {
        pieces.extend([START_CODE, nal]);
    }
}

fn missing_sets<'a>(unit: &AccessUnit, codec: &'a Codec) -> impl Iterator<Item = &'a Bytes> {
    let sets = match codec {
        Codec::H264(Some(s)) if h264::find_sets(&unit.payload).is_none() => vec![&s.sps, &s.pps],
        Codec::H265(Some(s)) if h265::find_sets(&unit.payload).is_none() => {
            vec![&s.vps, &s.sps, &s.pps]
        }
        _ => Vec::new(),
    };
    sets.into_iter()
}

/// What precedes a frame of sound; `None` if it cannot be carried.
pub(super) fn sound_head(codec: &Codec, frame: &[u8]) -> Option<Vec<u8>> {
    match codec {
        Codec::Aac(aac) => {
            Some(AudioSpecificConfig::parse(&aac.config)?.adts_header(frame.len())?.to_vec())
        }
        // The control header: its mark, then the length in steps of at most 255.
        Codec::Opus { .. } => {
            let mut head = vec![0x7f, 0xe0];
            head.resize(2 + frame.len() / 255, 255);
            head.push((frame.len() % 255) as u8);
            Some(head)
        }
        _ => None,
    }
}

/// The header. `length` is that of all that follows it; a frame of pictures leaves it open.
pub(super) fn header(codec: &Codec, times: Times, length: usize) -> Vec<u8> {
    let stream = match codec {
        Codec::H264(_) | Codec::H265(_) => VIDEO,
        Codec::Aac(_) => AUDIO,
        _ => PRIVATE,
    };
    let both = times.dts != times.pts;
    let optional = if both { 10 } else { 5 };
    let length = if stream == VIDEO { None } else { u16::try_from(3 + optional + length).ok() };
    let mut out = vec![0, 0, 1, stream];
    out.put_u16(length.unwrap_or(0));
    out.put_slice(&[0x84, if both { 0xc0 } else { 0x80 }, optional as u8]); // a frame begins here
    put_time(&mut out, if both { 3 } else { 2 }, times.pts);
    if both {
        put_time(&mut out, 1, times.dts);
    }
    out
}

fn put_time(out: &mut Vec<u8>, prefix: u8, ticks: i64) {
    let t = ticks.cast_unsigned() & 0x1_ffff_ffff;
    out.put_u8(prefix << 4 | ((t >> 29) as u8 & 0x0e) | 1);
    out.put_u16((t >> 14) as u16 & 0xfffe | 1);
    out.put_u16((t << 1) as u16 & 0xfffe | 1);
}
