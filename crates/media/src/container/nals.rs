//! NAL units on their way in, made normal: no delimiters, no filler, and a keyframe that brings its
//! parameter sets.

use super::MAX_FRAME;
use crate::{Codec, Payload, h264, h265};
use bytes::{Buf, Bytes};
use std::sync::Arc;

/// Sets are few and small; more than these are not kept.
const MAX_SETS: usize = 16;
/// `hvcC` up to its arrays (ISO/IEC 14496-15 §8.3.3.1).
const HVCC_HEAD: usize = 22;
/// H.265 filler data (table 7-1).
const H265_FILLER: u8 = 38;

/// The pictures of one track.
#[derive(Debug)]
pub(crate) struct Nals {
    h265: bool,
    codec: Codec,
    /// The parameter sets that are put before a keyframe without any.
    sets: Vec<Bytes>,
    /// Bytes that tell the length of a unit, where these do.
    length: usize,
}

impl Nals {
    /// Pictures of which nothing is known yet.
    pub(crate) const fn new(h265: bool) -> Self {
        let codec = if h265 { Codec::H265(None) } else { Codec::H264(None) };
        Self { h265, codec, sets: Vec::new(), length: 4 }
    }

    /// By an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1); `None` if it makes no
    /// sense.
    pub(crate) fn avc(record: &Bytes) -> Option<Self> {
        let mut rest = record.clone();
        let head = take(&mut rest, 6)?;
        let mut nals = Self { length: usize::from(head[4] & 3) + 1, ..Self::new(false) };
        for _ in 0..head[5] & 0x1f {
            nals.keep(sized(&mut rest)?);
        }
        for _ in 0..take(&mut rest, 1)?[0] {
            nals.keep(sized(&mut rest)?);
        }
        nals.learn_kept();
        Some(nals)
    }

    /// By an `HEVCDecoderConfigurationRecord` (§8.3.3.1).
    pub(crate) fn hevc(record: &Bytes) -> Option<Self> {
        let mut rest = record.clone();
        let head = take(&mut rest, HVCC_HEAD)?;
        let mut nals = Self { length: usize::from(head[HVCC_HEAD - 1] & 3) + 1, ..Self::new(true) };
        for _ in 0..take(&mut rest, 1)?[0] {
            take(&mut rest, 1)?;
            for _ in 0..take(&mut rest, 2)?.get_u16() {
                nals.keep(sized(&mut rest)?);
            }
        }
        nals.learn_kept();
        Some(nals)
    }

    /// The codec with what is known of it.
    pub(crate) const fn codec(&self) -> &Codec {
        &self.codec
    }

    /// A frame of units behind their lengths.
    pub(crate) fn sample(&mut self, sample: &Bytes) -> Option<(Payload, bool)> {
        let (length, mut rest, mut units) = (self.length, sample.clone(), Payload::new());
        while rest.len() > length {
            let size = take(&mut rest, length)?
                .iter()
                .fold(0, |size, byte| size << 8 | usize::from(*byte));
            units.push(take(&mut rest, size)?);
        }
        self.unit(units)
    }

    /// A frame, and whether decoding can start with it; `None` if nothing of it is left. Learns
    /// what its sets say.
    pub(crate) fn unit(
        &mut self,
        units: impl IntoIterator<Item = Bytes>,
    ) -> Option<(Payload, bool)> {
        let mut payload: Payload =
            units.into_iter().filter(|nal| !nal.is_empty() && !self.is_void(nal)).collect();
        if payload.is_empty() || payload.iter().map(Bytes::len).sum::<usize>() > MAX_FRAME {
            return None;
        }
        let key = if self.h265 { h265::is_key(&payload) } else { h264::is_key(&payload) };
        let whole = self.learn(&payload);
        if key && !whole {
            payload.insert_many(0, self.sets.iter().cloned());
        }
        Some((payload, key))
    }

    /// It only delimits, or fills.
    fn is_void(&self, nal: &[u8]) -> bool {
        match self.h265 {
            true => matches!(h265::nal_type(nal), h265::nal::AUD | H265_FILLER),
            false => matches!(h264::nal_type(nal), h264::nal::AUD | h264::nal::FILLER),
        }
    }

    fn is_set(&self, nal: &[u8]) -> bool {
        match self.h265 {
            true => matches!(h265::nal_type(nal), h265::nal::VPS | h265::nal::SPS | h265::nal::PPS),
            false => matches!(h264::nal_type(nal), h264::nal::SPS | h264::nal::PPS),
        }
    }

    fn keep(&mut self, set: Bytes) {
        if self.sets.len() < MAX_SETS && self.is_set(&set) {
            self.sets.push(set);
        }
    }

    fn learn_kept(&mut self) {
        let sets: Payload = self.sets.iter().cloned().collect();
        self.codec = described(self.h265, &sets).unwrap_or_else(|| self.codec.clone());
    }

    /// Takes over the sets of a frame if they are others; true if it has all.
    fn learn(&mut self, payload: &Payload) -> bool {
        let (whole, known) = match &self.codec {
            Codec::H265(sets) => {
                let found = h265::find_sets(payload);
                let known = sets
                    .as_ref()
                    .zip(found)
                    .is_some_and(|(s, found)| found == (&s.vps, &s.sps, &s.pps));
                (found.is_some(), known)
            }
            Codec::H264(sets) => {
                let found = h264::find_sets(payload);
                (
                    found.is_some(),
                    sets.as_ref().zip(found).is_some_and(|(s, found)| found == (&s.sps, &s.pps)),
                )
            }
            _ => (false, false),
        };
        if whole
            && !known
            && let Some(codec) = described(self.h265, payload)
        {
            self.codec = codec;
            self.sets = payload
                .iter()
                .filter(|nal| self.is_set(nal))
                .take(MAX_SETS)
                .map(|s| Bytes::copy_from_slice(s))
                .collect();
        }
        whole
    }
}

fn described(h265: bool, payload: &Payload) -> Option<Codec> {
    if h265 {
        let (vps, sps, pps) = h265::find_sets(payload)?;
        let sets = h265::ParameterSets::parse(copy(vps), copy(sps), copy(pps)).ok()?;
        return Some(Codec::H265(Some(Arc::new(sets))));
    }
    let (sps, pps) = h264::find_sets(payload)?;
    Some(Codec::H264(Some(Arc::new(h264::ParameterSets::parse(copy(sps), copy(pps)).ok()?))))
}

/// What is kept for long must not keep the frame it came with.
fn copy(set: &Bytes) -> Bytes {
    Bytes::copy_from_slice(set)
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (rest.len() >= length).then(|| rest.split_to(length))
}

fn sized(rest: &mut Bytes) -> Option<Bytes> {
    let length = take(rest, 2)?.get_u16();
    take(rest, length.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mp4::{self, tests as samples};
    use proptest::prelude::*;

    #[test]
    fn a_keyframe_without_sets_gets_those_of_the_configuration() {
        for codec in [samples::h264(), samples::h265()] {
            let record = mp4::decoder_config(&codec).unwrap();
            let h265 = matches!(codec, Codec::H265(_));
            let mut nals = if h265 { Nals::hevc(&record) } else { Nals::avc(&record) }.unwrap();
            assert_eq!(nals.codec(), &codec);
            let slice: &[u8] = if h265 { &[19 << 1, 1, 7] } else { &[0x65, 7] };
            let delimiter: &[u8] = if h265 { &[35 << 1, 1] } else { &[9, 0xf0] };
            let prefixed = |units: &[&[u8]]| {
                Bytes::from(
                    units
                        .iter()
                        .flat_map(|u| [&(u.len() as u32).to_be_bytes()[..], u].concat())
                        .collect::<Vec<_>>(),
                )
            };
            let (payload, key) = nals.sample(&prefixed(&[delimiter, slice])).unwrap();
            assert!(key);
            assert_eq!(
                (payload.len(), &payload.last().unwrap()[..]),
                (if h265 { 4 } else { 3 }, slice)
            );
            assert!(nals.sample(&prefixed(&[delimiter])).is_none(), "nothing is left");
            assert!(nals.sample(&prefixed(&[slice]).slice(..5)).is_none(), "cut short");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), sample in prop::collection::vec(any::<u8>(), 0..60)) {
            for nals in [Nals::avc(&bytes.clone().into()), Nals::hevc(&bytes.into()), Some(Nals::new(true))] {
                nals.and_then(|mut nals| nals.sample(&sample.clone().into()));
            }
        }
    }
}
