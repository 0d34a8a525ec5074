//! Puts H.264 access units together from RTP payloads (RFC 6184) and looks whether they are whole.

use serde::Serialize;
use std::collections::BTreeMap;

/// Packets kept while one before them is missing.
const WINDOW: usize = 512;

const SLICE: u8 = 1;
const KEY_SLICE: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const PICTURE_PARAMETERS: u8 = 8;

/// The counts of what the checker found.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Debug)]
pub(crate) struct Checked {
    /// Access units with all their NAL units, whole.
    pub(crate) whole: u64,
    /// Of these, keyframes.
    pub(crate) keyframes: u64,
    /// Access units that miss a packet that was not repaired.
    pub(crate) lost: u64,
    /// Access units whose packets all came, and which make no sense.
    pub(crate) nonsense: u64,
    /// Viewers whose first access unit was no keyframe with its parameter sets.
    pub(crate) begun_without_keyframe: u64,
}

impl Checked {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            whole: self.whole + other.whole,
            keyframes: self.keyframes + other.keyframes,
            lost: self.lost + other.lost,
            nonsense: self.nonsense + other.nonsense,
            begun_without_keyframe: self.begun_without_keyframe + other.begun_without_keyframe,
        }
    }
}

/// A decrypted packet.
pub(super) struct Payload {
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) bytes: Vec<u8>,
}

/// Follows one stream.
#[derive(Default)]
pub(super) struct Checker {
    waiting: BTreeMap<u64, Payload>,
    next: Option<u64>,
    unit: Option<Unit>,
    counts: Checked,
}

/// An access unit in the making.
#[derive(Default)]
struct Unit {
    timestamp: u32,
    /// A bit for every type of NAL unit in it.
    types: u32,
    /// Type of the NAL unit of which fragments are missing.
    fragment: Option<u8>,
    /// Its first slice begins with the first macroblock.
    begins: Option<bool>,
    lost: bool,
    nonsense: bool,
}

impl Checker {
    /// Takes a packet with its extended sequence number.
    pub(super) fn packet(&mut self, sequence: u64, payload: Payload) {
        if sequence < *self.next.get_or_insert(sequence) {
            return;
        }
        self.waiting.insert(sequence, payload);
        while let Some((sequence, payload)) = self.take_next() {
            if self.next.replace(sequence + 1) != Some(sequence) {
                self.hole(payload.timestamp);
            }
            self.in_order(&payload);
        }
    }

    pub(super) fn checked(&self) -> Checked {
        self.counts
    }

    fn take_next(&mut self) -> Option<(u64, Payload)> {
        let first = *self.waiting.first_key_value()?.0;
        (Some(first) == self.next || self.waiting.len() > WINDOW)
            .then(|| self.waiting.pop_first())?
    }

    /// Packets are missing before one with `timestamp`, which may have been of its unit, too.
    fn hole(&mut self, timestamp: u32) {
        if self.unit.as_ref().is_some_and(|unit| unit.timestamp != timestamp) {
            self.end(true);
        }
        self.unit.get_or_insert(Unit { timestamp, ..Unit::default() }).lost = true;
    }

    fn in_order(&mut self, payload: &Payload) {
        if self.unit.as_ref().is_some_and(|unit| unit.timestamp != payload.timestamp) {
            // It had no last packet.
            self.end(false);
        }
        let unit = self
            .unit
            .get_or_insert_with(|| Unit { timestamp: payload.timestamp, ..Unit::default() });
        unit.nonsense |= unit.payload(&payload.bytes).is_none();
        if payload.marker {
            self.end(false);
        }
    }

    fn end(&mut self, lost: bool) {
        let Some(unit) = self.unit.take() else { return };
        let first = self.counts.whole + self.counts.nonsense + self.counts.lost == 0;
        let key =
            unit.has(KEY_SLICE) && unit.has(SEQUENCE_PARAMETERS) && unit.has(PICTURE_PARAMETERS);
        self.counts.begun_without_keyframe += u64::from(first && !key);
        match (lost || unit.lost, unit.is_whole()) {
            (true, _) => self.counts.lost += 1,
            (false, true) => self.counts.whole += 1,
            (false, false) => self.counts.nonsense += 1,
        }
        self.counts.keyframes +=
            u64::from(!lost && !unit.lost && unit.is_whole() && unit.has(KEY_SLICE));
    }
}

impl Unit {
    fn has(&self, kind: u8) -> bool {
        self.types & 1 << kind != 0
    }

    fn is_whole(&self) -> bool {
        !self.nonsense && self.fragment.is_none() && self.begins == Some(true)
    }

    /// `None` if it is nonsense.
    fn payload(&mut self, bytes: &[u8]) -> Option<()> {
        let (head, body) = bytes.split_first()?;
        match head & 0x9f {
            kind @ 1..=23 => self.nal(kind, body),
            24 => self.aggregate(body),
            28 => self.fragment(body),
            _ => None,
        }
    }

    fn nal(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        self.begin(kind, body)?;
        self.types |= 1 << kind;
        Some(())
    }

    fn aggregate(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((len, rest)) = body.split_first_chunk() {
            let (nal, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            let (head, inner) = nal.split_first()?;
            self.nal(Some(head & 0x9f).filter(|kind| (1..=23).contains(kind))?, inner)?;
            body = rest;
        }
        body.is_empty().then_some(())
    }

    fn fragment(&mut self, body: &[u8]) -> Option<()> {
        let (head, body) = body.split_first().filter(|(_, body)| !body.is_empty())?;
        let kind = head & 0x1f;
        let (start, end) = (head & 0x80 != 0, head & 0x40 != 0);
        if start {
            self.begin(kind, body)?;
        } else if self.fragment != Some(kind) {
            return None;
        }
        self.fragment = (!end).then_some(kind);
        self.types |= u32::from(end) << kind;
        (!(start && end) && (1..=23).contains(&kind)).then_some(())
    }

    /// Of a slice, the first bit of its header tells whether it begins with the first macroblock.
    fn begin(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        if matches!(kind, SLICE | KEY_SLICE) {
            self.begins.get_or_insert(body.first()? & 0x80 != 0);
        }
        self.fragment.is_none().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keyframe in four packets: parameter sets, and a slice in three fragments.
    fn key() -> Vec<Vec<u8>> {
        let sets = vec![0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1];
        vec![sets, vec![0x7c, 0x85, 0x88, 1], vec![0x7c, 0x05, 2], vec![0x7c, 0x45, 3]]
    }

    fn other() -> Vec<Vec<u8>> {
        vec![vec![0x41, 0x9a, 1]]
    }

    fn stream(units: &[Vec<Vec<u8>>]) -> Vec<Payload> {
        let unit = |(n, packets): (usize, &Vec<Vec<u8>>)| {
            let last = packets.len() - 1;
            let packet = move |(i, bytes): (usize, &Vec<u8>)| Payload {
                timestamp: n as u32,
                marker: i == last,
                bytes: bytes.clone(),
            };
            packets.iter().enumerate().map(packet).collect::<Vec<_>>()
        };
        units.iter().enumerate().flat_map(unit).collect()
    }

    fn check(units: &[Vec<Vec<u8>>], order: impl Fn(usize) -> Option<usize>) -> Checked {
        let mut checker = Checker::default();
        let mut packets: Vec<_> = stream(units).into_iter().map(Some).collect();
        for n in 0..packets.len() {
            if let Some(n) = order(n) {
                checker.packet(100 + n as u64, packets[n].take().unwrap());
            }
        }
        checker.checked()
    }

    #[test]
    fn whole_units_in_any_order() {
        let units = [key(), other(), key(), other()];
        let good = Checked { whole: 4, keyframes: 2, ..Checked::default() };
        assert_eq!(check(&units, Some), good);
        // The first packet must come first: before it nothing is known.
        assert_eq!(check(&units, |n| Some(if n == 0 { 0 } else { 10 - n })), good);
    }

    #[test]
    fn what_is_lost_breaks_its_unit_only() {
        let mut units = vec![key(); 2];
        units.extend(vec![other(); WINDOW + 8]);
        let lost = check(&units, |n| (n != 5).then_some(n));
        assert_eq!(
            (lost.whole, lost.keyframes, lost.lost, lost.nonsense),
            (WINDOW as u64 + 9, 1, 1, 0)
        );
    }

    #[test]
    fn nonsense_is_seen() {
        let mut cases = vec![
            vec![vec![]],
            vec![vec![0x60, 1]],
            vec![vec![0x7c, 0x85]],
            vec![vec![0x41, 0x1a]],
            vec![vec![0x67, 1]],
        ];
        let mut without_end = key();
        without_end.pop();
        let mut without_start = key();
        without_start.remove(1);
        let aggregate = vec![vec![0x78, 0, 9, 0x67]];
        cases.extend([without_end, without_start, aggregate]);
        for case in cases {
            let checked = check(&[key(), case.clone()], Some);
            assert_eq!((checked.whole, checked.nonsense), (1, 1), "{case:?}");
        }
    }

    #[test]
    fn the_first_is_a_keyframe() {
        assert_eq!(check(&[other(), key()], Some).begun_without_keyframe, 1);
        assert_eq!(
            check(&[key()[1..].to_vec()], Some).begun_without_keyframe,
            1,
            "no parameter sets"
        );
        assert_eq!(check(&[key(), other()], Some).begun_without_keyframe, 0);
    }
}
