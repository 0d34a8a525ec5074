//! Parameter sets: remembered from the session description and the stream, put before every
//! keyframe that lacks them.

use super::video::{Syntax, Unit};
use bytes::Bytes;
use media::{Codec, Payload, h264, h265};
use std::sync::Arc;

/// Far more than real streams have; the oldest goes when one more comes.
const MAX_SETS: usize = 32;
/// Real ones are below 200 bytes.
const MAX_LEN: usize = 4096;

/// The parameter sets of one track.
#[derive(Debug)]
pub(super) struct Parameters {
    syntax: &'static Syntax,
    /// Oldest first.
    sets: Vec<Set>,
    /// What readers have been told.
    codec: Codec,
    changed: bool,
}

#[derive(Debug)]
struct Set {
    ty: u8,
    id: u32,
    unit: Bytes,
}

impl Parameters {
    /// Begins with what the session description told.
    pub(super) fn new(syntax: &'static Syntax, codec: Codec, described: &[Bytes]) -> Self {
        let mut this = Self { syntax, sets: Vec::new(), codec: codec.clone(), changed: false };
        described.iter().for_each(|unit| this.note_described(unit));
        match &codec {
            Codec::H264(Some(sets)) => {
                [&sets.sps, &sets.pps].into_iter().for_each(|u| this.note_described(u));
            }
            Codec::H265(Some(sets)) => {
                [&sets.vps, &sets.sps, &sets.pps].into_iter().for_each(|u| this.note_described(u));
            }
            _ => {}
        }
        this
    }

    fn note_described(&mut self, unit: &Bytes) {
        if let Unit::ParameterSet(ty, id) = (self.syntax.classify)(unit) {
            self.note(ty, id, unit);
        }
    }

    /// Remembers a set, in place of an older one of its type and id.
    pub(super) fn note(&mut self, ty: u8, id: u32, unit: &[u8]) {
        let old = self.sets.iter().position(|set| (set.ty, set.id) == (ty, id));
        if unit.len() > MAX_LEN || old.is_some_and(|i| self.sets[i].unit == unit) {
            return;
        }
        if let Some(i) = old.or((self.sets.len() == MAX_SETS).then_some(0)) {
            self.sets.remove(i);
        }
        self.sets.push(Set { ty, id, unit: Bytes::copy_from_slice(unit) });
        self.changed = true;
    }

    /// The codec with its newest sets, if these changed since the last call, are complete, and can
    /// be read.
    pub(super) fn take_change(&mut self) -> Option<Codec> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let newest =
            |ty| self.sets.iter().rev().find(|set| set.ty == ty).map(|set| set.unit.clone());
        let codec = match self.codec {
            Codec::H264(_) => {
                let sets =
                    h264::ParameterSets::parse(newest(h264::nal::SPS)?, newest(h264::nal::PPS)?);
                Codec::H264(Some(Arc::new(sets.ok()?)))
            }
            Codec::H265(_) => {
                let (vps, sps, pps) =
                    (newest(h265::nal::VPS)?, newest(h265::nal::SPS)?, newest(h265::nal::PPS)?);
                Codec::H265(Some(Arc::new(h265::ParameterSets::parse(vps, sps, pps).ok()?)))
            }
            _ => return None,
        };
        (codec != self.codec).then(|| {
            self.codec = codec.clone();
            codec
        })
    }

    /// Puts the sets that a keyframe lacks before it; false if one of them is not known, so that
    /// nobody could begin there.
    pub(super) fn complete(&self, payload: &mut Payload) -> bool {
        let type_of = |unit: &Bytes| match (self.syntax.classify)(unit) {
            Unit::ParameterSet(ty, _) => Some(ty),
            _ => None,
        };
        let present = |ty: &u8| payload.iter().any(|unit| type_of(unit) == Some(*ty));
        if self.syntax.sets.iter().all(present) {
            return true;
        }
        let mut whole = Payload::new();
        for ty in self.syntax.sets {
            let before = whole.len();
            if present(ty) {
                whole.extend(payload.iter().filter(|unit| type_of(unit) == Some(*ty)).cloned());
            } else {
                whole.extend(
                    self.sets.iter().filter(|set| set.ty == *ty).map(|set| set.unit.clone()),
                );
            }
            if whole.len() == before {
                return false;
            }
        }
        whole.extend(payload.iter().filter(|unit| type_of(unit).is_none()).cloned());
        *payload = whole;
        true
    }
}
