//! Sample entries: what a decoder must know beforehand (ISO/IEC 14496-14 and -15, and
//! "Encapsulation of Opus in ISO Base Media File Format").

use super::boxes::*;
use crate::{Aac, Codec, Track, VideoParams, h264, h265, opus};
use bytes::{BufMut, Bytes};

/// Appends the entry of a track; nothing for a codec that MP4 does not carry here.
pub(super) fn put_entry(out: &mut Vec<u8>, track: &Track) {
    match &track.codec {
        Codec::H264(Some(sets)) => {
            visual(out, *b"avc1", sets.video, |out| put(out, *b"avcC", |out| avc(out, sets)));
        }
        Codec::H265(Some(sets)) => {
            visual(out, *b"hvc1", sets.video, |out| put(out, *b"hvcC", |out| hevc(out, sets)));
        }
        Codec::Aac(aac) => sound(out, *b"mp4a", aac.channels, aac.rate, |out| {
            put_full(out, *b"esds", 0, 0, |out| es(out, aac));
        }),
        Codec::Opus { channels } => {
            sound(out, *b"Opus", *channels, opus::CLOCK, |out| {
                put(out, *b"dOps", |out| opus_head(out, *channels));
            });
        }
        Codec::H264(None) | Codec::H265(None) | Codec::Mjpeg(_) | Codec::G711 { .. } => {}
    }
}

/// The configuration of a decoder, as browsers want it beside
/// [`codec_string`](super::codec_string): the content of `avcC` or `hvcC`, or an
/// `AudioSpecificConfig`. `None` for codecs that need none, or whose parameter sets are not known
/// yet.
pub fn decoder_config(codec: &Codec) -> Option<Bytes> {
    let mut out = Vec::with_capacity(128);
    match codec {
        Codec::H264(Some(sets)) => avc(&mut out, sets),
        Codec::H265(Some(sets)) => hevc(&mut out, sets),
        Codec::Aac(aac) => return Some(aac.config.clone()),
        Codec::H264(None)
        | Codec::H265(None)
        | Codec::Mjpeg(_)
        | Codec::Opus { .. }
        | Codec::G711 { .. } => return None,
    }
    Some(out.into())
}

fn visual(out: &mut Vec<u8>, name: [u8; 4], video: VideoParams, config: impl FnOnce(&mut Vec<u8>)) {
    let size = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    put(out, name, |out| {
        out.put_bytes(0, 6);
        out.put_u16(1); // data reference
        out.put_bytes(0, 16);
        out.put_u16(size(video.width));
        out.put_u16(size(video.height));
        out.put_u32(fixed(72)); // dots an inch
        out.put_u32(fixed(72));
        out.put_u32(0);
        out.put_u16(1); // frames a sample
        out.put_bytes(0, 32); // compressor's name
        out.put_u16(24); // depth
        out.put_i16(-1);
        config(out);
    });
}

fn sound(
    out: &mut Vec<u8>,
    name: [u8; 4],
    channels: u8,
    rate: u32,
    config: impl FnOnce(&mut Vec<u8>),
) {
    put(out, name, |out| {
        out.put_bytes(0, 6);
        out.put_u16(1); // data reference
        out.put_u64(0);
        out.put_u16(channels.into());
        out.put_u16(16); // bits a sample
        out.put_u32(0);
        out.put_u32(if rate > 0xffff { 0 } else { fixed(rate) });
        config(out);
    });
}

/// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1).
fn avc(out: &mut Vec<u8>, sets: &h264::ParameterSets) {
    out.put_u8(1);
    out.put_slice(&sets.profile_level_id());
    out.put_u8(0xfc | 3); // lengths of four bytes
    out.put_u8(0xe0 | 1);
    set(out, &sets.sps);
    out.put_u8(1);
    set(out, &sets.pps);
    if let Some(chroma) = sets.chroma() {
        out.put_u8(0xfc | chroma.format);
        out.put_u8(0xf8 | chroma.luma_depth.saturating_sub(8));
        out.put_u8(0xf8 | chroma.chroma_depth.saturating_sub(8));
        out.put_u8(0);
    }
}

fn set(out: &mut Vec<u8>, unit: &Bytes) {
    // Sets are refused above 4 KiB when they are parsed.
    out.put_u16(unit.len() as u16);
    out.put_slice(unit);
}

/// `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §8.3.3.1).
fn hevc(out: &mut Vec<u8>, sets: &h265::ParameterSets) {
    let sps = &sets.description;
    out.put_u8(1);
    out.put_slice(&sps.profile_tier_level);
    out.put_u16(0xf000); // spatial segmentation: unknown
    out.put_u8(0xfc); // parallelism: unknown
    out.put_u8(0xfc | sps.chroma_format);
    out.put_u8(0xf8 | sps.luma_depth.saturating_sub(8));
    out.put_u8(0xf8 | sps.chroma_depth.saturating_sub(8));
    out.put_u16(0); // average frame rate: unknown
    out.put_u8(sps.sub_layers << 3 | u8::from(sps.nested) << 2 | 3); // lengths of four bytes
    out.put_u8(3);
    for (ty, unit) in
        [(h265::nal::VPS, &sets.vps), (h265::nal::SPS, &sets.sps), (h265::nal::PPS, &sets.pps)]
    {
        out.put_u8(0x80 | ty); // complete: none of this type is in the samples
        out.put_u16(1);
        set(out, unit);
    }
}

/// `ES_Descriptor` (ISO/IEC 14496-1 §7.2.6.5).
fn es(out: &mut Vec<u8>, aac: &Aac) {
    let mut decoder = vec![0x40, 0x15, 0, 0, 0]; // MPEG-4 audio, an audio stream; buffer size: unknown
    decoder.put_u64(0); // greatest and average bitrate: unknown
    descriptor(&mut decoder, 5, &aac.config);
    let mut stream = vec![0, 0, 0]; // id and flags
    descriptor(&mut stream, 4, &decoder);
    descriptor(&mut stream, 6, &[2]); // as MP4 wants it
    descriptor(out, 3, &stream);
}

fn descriptor(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.put_u8(tag);
    // A size of four times seven bits.
    let size = content.len();
    out.put_slice(&[
        (size >> 21) as u8 | 0x80,
        (size >> 14) as u8 | 0x80,
        (size >> 7) as u8 | 0x80,
        size as u8 & 0x7f,
    ]);
    out.put_slice(content);
}

/// `OpusSpecificBox`. Nothing is to be skipped: a viewer begins in the middle of the stream.
fn opus_head(out: &mut Vec<u8>, channels: u8) {
    out.put_u8(0);
    out.put_u8(channels);
    out.put_u16(0); // samples to skip
    out.put_u32(opus::CLOCK);
    out.put_u16(0); // gain
    out.put_u8(0); // mono or stereo
}
