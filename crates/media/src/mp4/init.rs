//! The init segment: `ftyp` and `moov`.

use super::{boxes::*, sample_entry};
use crate::{MediaKind, Track};
use bytes::{BufMut, Bytes};

/// Says how to decode the fragments of `tracks`, and nothing about how long they last.
///
/// A track's id in the file is its id in the catalogue plus one.
pub fn init_segment(tracks: &[Track]) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    put(&mut out, *b"ftyp", |out| {
        out.put_slice(b"iso6");
        out.put_u32(0);
        out.put_slice(b"iso6iso5mp41");
    });
    put(&mut out, *b"moov", |out| {
        movie_header(out, tracks);
        tracks.iter().for_each(|t| track(out, t));
        put(out, *b"mvex", |out| tracks.iter().for_each(|t| extends(out, t)));
    });
    out.into()
}

/// The id of a track in the file; zero is not allowed there.
pub(super) fn track_id(track: &Track) -> u32 {
    u32::from(track.id.0) + 1
}

fn movie_header(out: &mut Vec<u8>, tracks: &[Track]) {
    put_full(out, *b"mvhd", 0, 0, |out| {
        out.put_u64(0); // creation and modification time
        out.put_u32(1000); // timescale
        out.put_u32(0); // duration: unknown
        out.put_u32(0x1_0000); // rate
        out.put_u16(0x100); // volume
        out.put_bytes(0, 10);
        unity_matrix(out);
        out.put_bytes(0, 24);
        out.put_u32(tracks.iter().map(track_id).max().unwrap_or(0) + 1); // next track id
    });
}

fn unity_matrix(out: &mut Vec<u8>) {
    for value in [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000] {
        out.put_u32(value);
    }
}

fn track(out: &mut Vec<u8>, track: &Track) {
    put(out, *b"trak", |out| {
        track_header(out, track);
        put(out, *b"mdia", |out| media(out, track));
    });
}

fn track_header(out: &mut Vec<u8>, track: &Track) {
    let video = track.codec.video_params();
    put_full(out, *b"tkhd", 0, 3, |out| {
        out.put_u64(0); // creation and modification time
        out.put_u32(track_id(track));
        out.put_u32(0);
        out.put_u32(0); // duration
        out.put_u64(0);
        out.put_u16(0); // layer
        out.put_u16(0); // alternate group
        out.put_u16(if video.is_some() { 0 } else { 0x100 }); // volume
        out.put_u16(0);
        unity_matrix(out);
        out.put_u32(video.map_or(0, |v| fixed(v.width)));
        out.put_u32(video.map_or(0, |v| fixed(v.height)));
    });
}

fn media(out: &mut Vec<u8>, track: &Track) {
    let video = track.codec.kind() == MediaKind::Video;
    put_full(out, *b"mdhd", 0, 0, |out| {
        out.put_u64(0); // creation and modification time
        out.put_u32(track.timescale);
        out.put_u32(0); // duration
        out.put_u16(0x55c4); // undetermined language
        out.put_u16(0);
    });
    put_full(out, *b"hdlr", 0, 0, |out| {
        out.put_u32(0);
        out.put_slice(if video { b"vide" } else { b"soun" });
        out.put_bytes(0, 12);
        out.put_slice(if video { b"video\0" } else { b"sound\0" });
    });
    put(out, *b"minf", |out| {
        if video {
            put_full(out, *b"vmhd", 0, 1, |out| out.put_u64(0));
        } else {
            put_full(out, *b"smhd", 0, 0, |out| out.put_u32(0));
        }
        data_in_this_file(out);
        put(out, *b"stbl", |out| sample_tables(out, track));
    });
}

fn data_in_this_file(out: &mut Vec<u8>) {
    put(out, *b"dinf", |out| {
        put_full(out, *b"dref", 0, 0, |out| {
            out.put_u32(1);
            put_full(out, *b"url ", 0, 1, |_| {});
        });
    });
}

/// All empty but the first: the samples are in the fragments.
fn sample_tables(out: &mut Vec<u8>, track: &Track) {
    put_full(out, *b"stsd", 0, 0, |out| {
        out.put_u32(1);
        sample_entry::put_entry(out, track);
    });
    put_full(out, *b"stts", 0, 0, |out| out.put_u32(0));
    put_full(out, *b"stsc", 0, 0, |out| out.put_u32(0));
    put_full(out, *b"stsz", 0, 0, |out| out.put_u64(0));
    put_full(out, *b"stco", 0, 0, |out| out.put_u32(0));
}

fn extends(out: &mut Vec<u8>, track: &Track) {
    put_full(out, *b"trex", 0, 0, |out| {
        out.put_u32(track_id(track));
        out.put_u32(1); // sample description
        out.put_u32(0); // duration
        out.put_u32(0); // size
        out.put_u32(0); // flags
    });
}
