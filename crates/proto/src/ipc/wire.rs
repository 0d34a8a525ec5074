//! Fields of a body, little-endian.

use super::{Error, MAX_TEXT};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use media::Payload;

/// Most NAL units a frame may have.
const MAX_UNITS: usize = 1024;

/// Reads the fields of one body. Every method fails instead of reading behind the end.
pub struct Reader {
    kind: u8,
    body: Bytes,
}

impl Reader {
    pub(super) fn new(kind: u8, body: Bytes) -> Self {
        Self { kind, body }
    }

    pub(super) fn kind(&self) -> u8 {
        self.kind
    }

    pub(super) fn bad<T>(&self, field: &'static str) -> Result<T, Error> {
        Err(Error::Field { kind: self.kind, field })
    }

    fn need<T>(&mut self, n: usize, get: impl FnOnce(&mut Bytes) -> T) -> Result<T, Error> {
        if self.body.len() < n {
            return Err(Error::Body(self.kind));
        }
        Ok(get(&mut self.body))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.need(1, Bytes::get_u8)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.need(2, Bytes::get_u16_le)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.need(4, Bytes::get_u32_le)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.need(8, Bytes::get_u64_le)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Error> {
        self.need(8, Bytes::get_i64_le)
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, Error> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.bad(field),
        }
    }

    /// The next `n` bytes, sharing the message's memory.
    pub(super) fn bytes(&mut self, n: usize) -> Result<Bytes, Error> {
        self.need(n, |b| b.split_to(n))
    }

    /// Bytes behind a 2-byte length.
    pub(super) fn short_bytes(&mut self) -> Result<Bytes, Error> {
        let n = self.u16()?;
        self.bytes(n.into())
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, Error> {
        let raw = self.short_bytes()?;
        match std::str::from_utf8(&raw) {
            Ok(text) if text.len() <= MAX_TEXT => Ok(text.to_owned()),
            _ => self.bad(field),
        }
    }

    /// The units of a frame, none of them empty, sharing the message's memory.
    pub(super) fn units(&mut self) -> Result<Payload, Error> {
        let count = usize::from(self.u16()?);
        if count == 0 || count > MAX_UNITS {
            return self.bad("number of units");
        }
        let lengths = self.bytes(count * 4)?;
        let mut unit = |length: &[u8]| -> Result<Bytes, Error> {
            let length = length.iter().rev().fold(0usize, |n, b| n << 8 | usize::from(*b));
            if length == 0 { self.bad("length of a unit") } else { self.bytes(length) }
        };
        lengths.chunks_exact(4).map(&mut unit).collect()
    }

    pub(super) fn end(self) -> Result<(), Error> {
        if self.body.is_empty() { Ok(()) } else { Err(Error::Body(self.kind)) }
    }
}

/// Collects the fields of one body.
#[derive(Default)]
pub struct Writer {
    head: BytesMut,
    /// Large parts that follow the head, by reference.
    pub(super) tail: Payload,
}

impl Writer {
    pub(super) fn head_mut(&mut self) -> &mut BytesMut {
        &mut self.head
    }

    pub(super) fn into_parts(self) -> (BytesMut, Payload) {
        (self.head, self.tail)
    }

    pub(super) fn u8(&mut self, v: u8) {
        self.head.put_u8(v);
    }

    pub(super) fn u16(&mut self, v: u16) {
        self.head.put_u16_le(v);
    }

    pub(super) fn u32(&mut self, v: u32) {
        self.head.put_u32_le(v);
    }

    pub(super) fn u64(&mut self, v: u64) {
        self.head.put_u64_le(v);
    }

    pub(super) fn i64(&mut self, v: i64) {
        self.head.put_i64_le(v);
    }

    pub(super) fn flag(&mut self, v: bool) {
        self.u8(v.into());
    }

    /// Bytes behind a 2-byte length; what does not fit is cut.
    pub(super) fn short_bytes(&mut self, v: &[u8]) {
        let n = u16::try_from(v.len()).unwrap_or(u16::MAX);
        self.u16(n);
        self.head.put_slice(&v[..n.into()]);
    }

    /// The units of a frame, by reference.
    pub(super) fn units(&mut self, units: &[Bytes]) {
        let units = &units[..units.len().min(MAX_UNITS)];
        self.u16(units.len() as u16);
        for unit in units {
            // A unit beyond 4 GiB makes the message too long anyway, which is refused when it is
            // sent.
            self.u32(u32::try_from(unit.len()).unwrap_or(u32::MAX));
            self.tail.push(unit.clone());
        }
    }

    pub(super) fn text(&mut self, v: &str) {
        let end = (0..=MAX_TEXT.min(v.len())).rev().find(|at| v.is_char_boundary(*at)).unwrap_or(0);
        self.short_bytes(&v.as_bytes()[..end]);
    }
}
