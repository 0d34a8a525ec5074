//! Tracks and their codec parameters on the wire.

use super::{Error, Reader, Writer};
use bytes::Bytes;
use media::{Aac, Catalog, Codec, G711Law, VideoParams, h264, h265};
use std::sync::Arc;

/// Most tracks a worker may announce.
const MAX_TRACKS: usize = 16;

mod codec {
    pub(super) const H264: u8 = 1;
    pub(super) const H265: u8 = 2;
    pub(super) const AAC: u8 = 3;
    pub(super) const OPUS: u8 = 4;
    pub(super) const PCMU: u8 = 5;
    pub(super) const PCMA: u8 = 6;
    pub(super) const MJPEG: u8 = 7;
}

pub(super) fn write(body: &mut Writer, catalog: &Catalog) {
    let tracks = &catalog.tracks[..catalog.tracks.len().min(MAX_TRACKS)];
    body.u8(tracks.len() as u8);
    for track in tracks {
        body.u32(track.timescale);
        write_codec(body, &track.codec);
    }
}

pub(super) fn read(body: &mut Reader) -> Result<Catalog, Error> {
    let count = usize::from(body.u8()?);
    if count > MAX_TRACKS {
        return body.bad("number of tracks");
    }
    let tracks = (0..count).map(|_| {
        let timescale = body.u32()?;
        if timescale == 0 {
            return body.bad("timescale");
        }
        Ok((read_codec(body)?, timescale))
    });
    Ok(Catalog::new(tracks.collect::<Result<Vec<_>, Error>>()?))
}

fn write_codec(body: &mut Writer, of: &Codec) {
    match of {
        Codec::H264(sets) => {
            write_sets(body, codec::H264, sets.as_deref().map(|s| [&s.sps, &s.pps]));
        }
        Codec::H265(sets) => {
            write_sets(body, codec::H265, sets.as_deref().map(|s| [&s.vps, &s.sps, &s.pps]));
        }
        Codec::Mjpeg(video) => {
            body.u8(codec::MJPEG);
            body.u32(video.width);
            body.u32(video.height);
        }
        Codec::Aac(aac) => {
            write_sound(body, codec::AAC, aac.rate, aac.channels);
            body.short_bytes(&aac.config);
        }
        Codec::Opus { channels } => write_sound(body, codec::OPUS, 48_000, *channels),
        Codec::G711 { law: G711Law::Mu, rate, channels } => {
            write_sound(body, codec::PCMU, *rate, *channels);
        }
        Codec::G711 { law: G711Law::A, rate, channels } => {
            write_sound(body, codec::PCMA, *rate, *channels);
        }
    }
}

fn write_sets<const N: usize>(body: &mut Writer, name: u8, sets: Option<[&Bytes; N]>) {
    body.u8(name);
    body.flag(sets.is_some());
    sets.into_iter().flatten().for_each(|set| body.short_bytes(set));
}

fn write_sound(body: &mut Writer, name: u8, rate: u32, channels: u8) {
    body.u8(name);
    body.u32(rate);
    body.u8(channels);
}

fn read_codec(body: &mut Reader) -> Result<Codec, Error> {
    let name = body.u8()?;
    match name {
        codec::H264 => Ok(Codec::H264(read_h264(body)?)),
        codec::H265 => Ok(Codec::H265(read_h265(body)?)),
        codec::MJPEG => {
            let (width, height) = (body.u32()?, body.u32()?);
            Ok(Codec::Mjpeg(VideoParams { width, height, fps: None, max_reorder: Some(0) }))
        }
        codec::AAC | codec::OPUS | codec::PCMU | codec::PCMA => read_sound(body, name),
        _ => body.bad("codec"),
    }
}

fn read_sound(body: &mut Reader, name: u8) -> Result<Codec, Error> {
    let (rate, channels) = (body.u32()?, body.u8()?);
    if rate == 0 || channels == 0 {
        return body.bad("sound format");
    }
    Ok(match name {
        codec::AAC => Codec::Aac(Aac { config: body.short_bytes()?, rate, channels }),
        codec::OPUS => Codec::Opus { channels },
        codec::PCMU => Codec::G711 { law: G711Law::Mu, rate, channels },
        _ => Codec::G711 { law: G711Law::A, rate, channels },
    })
}

fn read_h264(body: &mut Reader) -> Result<Option<Arc<h264::ParameterSets>>, Error> {
    if !body.flag("parameter set flag")? {
        return Ok(None);
    }
    match h264::ParameterSets::parse(body.short_bytes()?, body.short_bytes()?) {
        Ok(sets) => Ok(Some(Arc::new(sets))),
        Err(_) => body.bad("parameter sets"),
    }
}

fn read_h265(body: &mut Reader) -> Result<Option<Arc<h265::ParameterSets>>, Error> {
    if !body.flag("parameter set flag")? {
        return Ok(None);
    }
    match h265::ParameterSets::parse(body.short_bytes()?, body.short_bytes()?, body.short_bytes()?)
    {
        Ok(sets) => Ok(Some(Arc::new(sets))),
        Err(_) => body.bad("parameter sets"),
    }
}
