//! Packets (§2.4.3): a header of four bytes, an adaptation field where there is need, payload.

use bytes::BufMut;

/// Bytes of a packet.
pub const PACKET: usize = 188;
pub(super) const SYNC: u8 = 0x47;
const HEAD: usize = 4;
/// Room for payload and adaptation field.
const ROOM: usize = PACKET - HEAD;

/// A sequence of packets with one id, and its counter.
#[derive(Debug)]
pub(super) struct PacketStream {
    pid: u16,
    counter: u8,
}

/// The marks in the first packet of a frame.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Marks {
    /// Decoding can start here.
    pub(super) random_access: bool,
    /// The program's clock, in ticks of 90 kHz.
    pub(super) clock: Option<u64>,
}

impl Marks {
    fn any(self) -> bool {
        self.random_access || self.clock.is_some()
    }

    /// The field's flags and what belongs to them (§2.4.3.4).
    fn write(self, out: &mut Vec<u8>) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.put_u8(flag(self.random_access, 0x40) | flag(self.clock.is_some(), 0x10));
        if let Some(clock) = self.clock {
            // 33 bits of 90 kHz, 6 reserved, 9 of 27 MHz.
            out.put_slice(&((clock & 0x1_ffff_ffff) << 15 | 0x7e00).to_be_bytes()[2..]);
        }
    }

    fn len(self) -> usize {
        1 + if self.clock.is_some() { 6 } else { 0 }
    }
}

impl PacketStream {
    pub(super) fn new(pid: u16) -> Self {
        Self { pid, counter: 0 }
    }

    pub(super) fn pid(&self) -> u16 {
        self.pid
    }

    /// Cuts `payload`, given in pieces, into packets; the last is filled up by an adaptation field.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, marks: Marks, payload: &[&[u8]]) {
        let mut pieces =
            Pieces { rest: payload, at: 0, left: payload.iter().map(|p| p.len()).sum() };
        let mut marks = marks;
        let mut first = true;
        while pieces.left > 0 {
            self.packet(out, first, marks, &mut pieces);
            (first, marks) = (false, Marks::default());
        }
    }

    /// A section that fits one packet (§2.4.4): behind a pointer, the rest of the packet filled
    /// with ones.
    pub(super) fn write_section(&mut self, out: &mut Vec<u8>, section: &[u8]) {
        let end = out.len() + PACKET;
        self.head(out, true, 0x10);
        out.put_u8(0);
        out.put_slice(section);
        out.resize(end, 0xff);
    }

    fn packet(&mut self, out: &mut Vec<u8>, first: bool, marks: Marks, pieces: &mut Pieces<'_>) {
        let fixed = if marks.any() { 1 + marks.len() } else { 0 };
        let payload = pieces.left.min(ROOM - fixed);
        let field = ROOM - payload;
        self.head(out, first, if field > 0 { 0x30 } else { 0x10 });
        if field > 0 {
            let end = out.len() + field;
            out.put_u8((field - 1) as u8);
            if field > 1 {
                marks.write(out);
            }
            out.resize(end, 0xff);
        }
        pieces.take(payload, out);
    }

    fn head(&mut self, out: &mut Vec<u8>, first: bool, control: u8) {
        let start = if first { 0x4000 } else { 0 };
        out.put_u8(SYNC);
        out.put_u16(start | self.pid);
        out.put_u8(control | self.counter);
        self.counter = (self.counter + 1) & 15;
    }
}

/// A packet as it is read.
#[derive(Debug)]
pub(super) struct TsPacket<'a> {
    pub(super) pid: u16,
    /// A frame or a section begins in it.
    pub(super) start: bool,
    pub(super) counter: u8,
    pub(super) scrambled: bool,
    /// Its adaptation field is longer than what it tells: filled up (§2.4.3.4).
    pub(super) stuffed: bool,
    /// The counter need not go on (§2.4.3.5).
    pub(super) jumps: bool,
    pub(super) payload: &'a [u8],
}

impl<'a> TsPacket<'a> {
    /// Reads a packet; `None` if it is none, or known to be damaged.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD).filter(|_| bytes.len() == PACKET)?;
        let damaged = head[1] & 0x80 != 0;
        if head[0] != SYNC || damaged {
            return None;
        }
        let (has_field, has_payload) = (head[3] & 0x20 != 0, head[3] & 0x10 != 0);
        let (field, payload) = match has_field {
            true => rest
                .split_first()
                .and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))?,
            false => (&[][..], rest),
        };
        Some(Self {
            pid: u16::from_be_bytes([head[1] & 0x1f, head[2]]),
            start: head[1] & 0x40 != 0,
            counter: head[3] & 15,
            scrambled: head[3] & 0xc0 != 0,
            stuffed: has_field && field.len() != told(field),
            jumps: field.first().is_some_and(|flags| flags & 0x80 != 0),
            payload: if has_payload { payload } else { &[] },
        })
    }
}

/// How long an adaptation field is without stuffing. An empty one is there for nothing else, so one
/// is said to be longer.
fn told(field: &[u8]) -> usize {
    let Some(flags) = field.first() else { return 1 };
    let clocks = [0x10, 0x08].iter().filter(|flag| flags & **flag != 0).count() * 6;
    let mut end = 1 + clocks + usize::from(flags & 0x04 != 0);
    for flag in [0x02, 0x01] {
        if flags & flag != 0 {
            end += 1 + field.get(end).map_or(0, |length| usize::from(*length));
        }
    }
    end
}

/// The rest of a payload.
struct Pieces<'a> {
    rest: &'a [&'a [u8]],
    at: usize,
    left: usize,
}

impl Pieces<'_> {
    fn take(&mut self, mut bytes: usize, out: &mut Vec<u8>) {
        self.left -= bytes;
        while let [piece, rest @ ..] = self.rest {
            let part = &piece[self.at..piece.len().min(self.at + bytes)];
            out.put_slice(part);
            (self.at, bytes) = (self.at + part.len(), bytes - part.len());
            if self.at < piece.len() {
                return;
            }
            (self.rest, self.at) = (rest, 0);
        }
    }
}
