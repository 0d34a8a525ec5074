//! Reads operations out of a fuzzer's bytes.

/// The rest of the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next two bytes as a number, big-endian.
    pub fn word(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// The next `len` bytes, or what is left.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their length in one byte.
    pub fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.byte()?;
        Some(self.bytes(len.into()))
    }

    /// Bytes behind their length in two bytes.
    pub fn long(&mut self) -> Option<&'a [u8]> {
        let len = self.word()?;
        Some(self.bytes(len.into()))
    }
}
