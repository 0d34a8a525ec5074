//! Packet status chunks and receive deltas (§3.1.1 to §3.1.5).

/// What a feedback message tells of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Its transport sequence number.
    pub sequence: u16,
    /// When it arrived, in ticks of 250 µs of the receiver's clock; `None` if it had not. The
    /// clock's origin is arbitrary, and it rolls over with the 24 bits of the reference time.
    pub arrival: Option<i64>,
}

/// Packet status symbols (§3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Symbol {
    Missing,
    SmallDelta,
    LargeDelta,
    Reserved,
}

impl Symbol {
    const fn from_bits(bits: u16) -> Self {
        match bits & 3 {
            0 => Self::Missing,
            1 => Self::SmallDelta,
            2 => Self::LargeDelta,
            _ => Self::Reserved,
        }
    }

    /// Bytes of its receive delta; `None` for the symbol that has no meaning.
    const fn delta_bytes(self) -> Option<usize> {
        match self {
            Self::Missing => Some(0),
            Self::SmallDelta => Some(1),
            Self::LargeDelta => Some(2),
            Self::Reserved => None,
        }
    }
}

/// Sixteen bits that tell of several packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk(u16);

impl Chunk {
    pub(super) const fn new(bits: u16) -> Self {
        Self(bits)
    }

    /// Packets it tells of. The last chunk of a message may tell of more than there are.
    pub(super) const fn len(self) -> u16 {
        match self.0 >> 14 {
            0 | 1 => self.0 & 0x1fff,
            2 => 14,
            _ => 7,
        }
    }

    const fn symbol(self, at: u16) -> Symbol {
        match self.0 >> 14 {
            0 | 1 => Symbol::from_bits(self.0 >> 13),
            2 => Symbol::from_bits(self.0 >> (13 - at) & 1),
            _ => Symbol::from_bits(self.0 >> (12 - 2 * at)),
        }
    }

    /// Bytes of the receive deltas of its first `told` packets, `None` if one has the reserved
    /// symbol.
    pub(super) fn delta_bytes(self, told: u16) -> Option<usize> {
        if self.0 >> 15 == 0 {
            return Some(self.symbol(0).delta_bytes()? * usize::from(told));
        }
        (0..told).map(|at| self.symbol(at).delta_bytes()).sum()
    }
}

/// Iterator over the packets of a message that was checked.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    sequence: u16,
    left: u16,
    time: i64,
    chunk: Chunk,
    /// Packets of the chunk that were told.
    at: u16,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> Packets<'a> {
    pub(super) const fn new(
        sequence: u16,
        left: u16,
        time: i64,
        chunks: &'a [u8],
        deltas: &'a [u8],
    ) -> Self {
        Self { sequence, left, time, chunk: Chunk(0), at: 0, chunks, deltas }
    }

    fn symbol(&mut self) -> Option<Symbol> {
        while self.at >= self.chunk.len() {
            let (bits, rest) = self.chunks.split_first_chunk::<2>()?;
            (self.chunk, self.at, self.chunks) = (Chunk(u16::from_be_bytes(*bits)), 0, rest);
        }
        self.at += 1;
        Some(self.chunk.symbol(self.at - 1))
    }

    fn delta(&mut self, symbol: Symbol) -> Option<i64> {
        let (bytes, rest) = self.deltas.split_at_checked(symbol.delta_bytes()?)?;
        self.deltas = rest;
        match *bytes {
            [small] => Some(i64::from(small)),
            [high, low] => Some(i64::from(i16::from_be_bytes([high, low]))),
            _ => None,
        }
    }
}

impl Iterator for Packets<'_> {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        self.left = self.left.checked_sub(1)?;
        let symbol = self.symbol()?;
        let arrival = self.delta(symbol).map(|delta| {
            self.time += delta;
            self.time
        });
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Some(Packet { sequence, arrival })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.into()))
    }
}
