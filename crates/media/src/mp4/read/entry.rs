//! Sample entries: what a track holds (ISO/IEC 14496-12 §8.5.2, -14 §5.6, -15, and Opus in
//! ISOBMFF).

use super::{boxes, shown};
use crate::container::{Nals, TrackContent, sound_aac, sound_opus};
use bytes::{Buf, Bytes};

/// Bytes before the boxes of an entry.
const VISUAL: usize = 78;
const SOUND: usize = 28;
/// Object types of MPEG-4 (mp4ra.org).
const AAC: u8 = 0x40;
const MPEG2_AAC: std::ops::RangeInclusive<u8> = 0x66..=0x68;
const JPEG: u8 = 0x6c;

/// By the content of `stsd`, of which only the first entry counts; its name if it cannot be
/// carried.
pub(super) fn read(descriptions: &Bytes) -> Result<TrackContent, String> {
    let inside = descriptions.get(8..).map(|_| descriptions.slice(8..)).unwrap_or_default();
    let Some((name, entry)) = boxes(&inside).next() else {
        return Err("a track without description".to_owned());
    };
    track(name, &entry).ok_or_else(|| plain(name, &entry))
}

fn track(name: [u8; 4], entry: &Bytes) -> Option<TrackContent> {
    match &name {
        b"avc1" | b"avc3" => Nals::avc(&child(entry, VISUAL, *b"avcC")?).map(TrackContent::Nals),
        b"hvc1" | b"hev1" => Nals::hevc(&child(entry, VISUAL, *b"hvcC")?).map(TrackContent::Nals),
        b"jpeg" | b"mjpg" => Some(TrackContent::Jpeg(None)),
        b"mp4v" => (object(&child(entry, VISUAL, *b"esds")?)?.0 == JPEG)
            .then_some(TrackContent::Jpeg(None)),
        b"mp4a" => {
            let (kind, config) = object(&sound_child(entry, *b"esds")?)?;
            if kind == AAC || MPEG2_AAC.contains(&kind) { sound_aac(&config) } else { None }
        }
        // Version, then channels.
        b"Opus" => sound_opus(*sound_child(entry, *b"dOps")?.get(1)?),
        _ => None,
    }
}

fn child(entry: &Bytes, head: usize, name: [u8; 4]) -> Option<Bytes> {
    let inside = entry.get(head..).map(|_| entry.slice(head..))?;
    boxes(&inside).find(|(known, _)| *known == name).map(|(_, body)| body)
}

/// QuickTime has longer heads, and hides boxes in another.
fn sound_child(entry: &Bytes, name: [u8; 4]) -> Option<Bytes> {
    let head = match entry.get(8..10)? {
        [0, 1] => SOUND + 16,
        [0, 2] => SOUND + 36,
        _ => SOUND,
    };
    child(entry, head, name).or_else(|| {
        let wave = child(entry, head, *b"wave")?;
        boxes(&wave).find(|(known, _)| *known == name).map(|(_, body)| body)
    })
}

/// The object type and what its decoder is told (ISO/IEC 14496-1 §7.2.6.5).
fn object(esds: &Bytes) -> Option<(u8, Bytes)> {
    let mut rest = esds.get(4..).map(|_| esds.slice(4..))?;
    let mut stream = descriptor(&mut rest, 3)?;
    let flags = *stream.get(2)?;
    let mut head = 3 + if flags & 0x80 != 0 { 2 } else { 0 };
    if flags & 0x40 != 0 {
        head += 1 + usize::from(*stream.get(head)?);
    }
    head += if flags & 0x20 != 0 { 2 } else { 0 };
    (stream.len() >= head).then(|| stream.advance(head))?;
    let mut decoder = descriptor(&mut stream, 4)?;
    let kind = *decoder.first()?;
    (decoder.len() >= 13).then(|| decoder.advance(13))?;
    Some((kind, descriptor(&mut decoder, 5).unwrap_or_default()))
}

/// The next descriptor if it has this tag: its length stands in up to four times seven bits.
fn descriptor(rest: &mut Bytes, tag: u8) -> Option<Bytes> {
    if *rest.first()? != tag {
        return None;
    }
    rest.advance(1);
    let mut length = 0;
    for _ in 0..4 {
        let byte = *rest.first()?;
        rest.advance(1);
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (rest.len() >= length).then(|| rest.split_to(length))
}

/// For people: `vp9`.
fn plain(name: [u8; 4], entry: &Bytes) -> String {
    let plain = match &name {
        b"vp08" => "vp8",
        b"vp09" => "vp9",
        b"av01" => "av1",
        b"avc1" | b"avc3" => "broken h264",
        b"hvc1" | b"hev1" => "broken h265",
        b"dvh1" | b"dvhe" => "dolby vision",
        b"mp4v" => match child(entry, VISUAL, *b"esds").and_then(|esds| object(&esds)) {
            Some((0x60..=0x65, _)) => "mpeg2",
            _ => "mpeg4",
        },
        b"mp4a" => match sound_child(entry, *b"esds").and_then(|esds| object(&esds)) {
            Some((0x69 | 0x6b, _)) => "mp3",
            _ => "broken aac",
        },
        b"Opus" => "opus with many channels",
        b"ac-3" => "ac3",
        b"ec-3" => "eac3",
        b"fLaC" => "flac",
        b".mp3" => "mp3",
        b"encv" => "encrypted pictures",
        b"enca" => "encrypted sound",
        _ => return shown(name),
    };
    plain.to_owned()
}
