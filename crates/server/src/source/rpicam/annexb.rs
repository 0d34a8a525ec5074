//! Frames out of an H.264 stream that nothing divides but start codes.
//!
//! The end of a frame is known when the next one begins, when the encoder says that it has written
//! one more, or, where it says nothing, when it writes nothing for a while.

use bytes::{Bytes, BytesMut};
use media::h264::nal;

/// No frame of a real camera is larger.
const MAX_FRAME: usize = 8 << 20;

/// Takes a stream and gives frames, each with its start codes.
#[derive(Default)]
pub(super) struct Assembler {
    bytes: BytesMut,
    /// Up to here start codes were looked for.
    scanned: usize,
    /// The frame that has begun has a slice.
    has_slice: bool,
}

impl Assembler {
    /// Adds what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > MAX_FRAME {
            *self = Self::default();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame that is known to be complete because another has begun.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        while let Some(at) = self.start_code() {
            // The unit's type, and the first bit of a slice.
            let unit = self.bytes.get(at + 3..at + 5)?;
            self.scanned = at + 3;
            let (kind, slice) = (unit[0] & 0x1f, matches!(unit[0] & 0x1f, nal::SLICE..=nal::IDR));
            // A slice whose first macroblock is number 0 (§7.3.3): Exp-Golomb writes that as one
            // set bit.
            let begins =
                if slice { unit[1] & 0x80 != 0 } else { matches!(kind, nal::SEI..=nal::AUD) };
            if begins && self.has_slice {
                self.has_slice = slice;
                return Some(self.cut(at));
            }
            self.has_slice |= slice;
        }
        None
    }

    /// All that came is a frame: nothing more belongs to it.
    pub(super) fn flush(&mut self) -> Option<Bytes> {
        if !self.has_slice {
            return None;
        }
        self.has_slice = false;
        self.scanned = 0;
        Some(self.bytes.split().freeze())
    }

    /// A frame has begun.
    pub(super) fn is_within_frame(&self) -> bool {
        self.has_slice
    }

    /// Everything before the start code at `at`, which may have a fourth byte.
    fn cut(&mut self, at: usize) -> Bytes {
        let at = if self.bytes[at - 1] == 0 { at - 1 } else { at };
        self.scanned -= at;
        self.bytes.split_to(at).freeze()
    }

    fn start_code(&mut self) -> Option<usize> {
        let found = self.bytes[self.scanned..].windows(3).position(|w| w == [0, 0, 1]);
        match found {
            Some(at) => Some(self.scanned + at),
            None => {
                self.scanned = self.bytes.len().saturating_sub(2).max(self.scanned);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(code: &[u8], bytes: &[u8]) -> Vec<u8> {
        [code, bytes].concat()
    }

    /// Keyframe with its sets in two slices, frame, frame behind a delimiter.
    fn frames() -> Vec<Vec<u8>> {
        let (long, short) = (&[0, 0, 0, 1][..], &[0, 0, 1][..]);
        let key = [
            unit(long, &[0x67, 1, 2, 3]),
            unit(long, &[0x68, 9]),
            unit(short, &[0x65, 0x88, 4, 5]),
            unit(short, &[0x65, 0x10, 7, 7, 7]),
        ];
        vec![
            key.concat(),
            unit(long, &[0x41, 0x9a, 1, 2]),
            [unit(long, &[9, 0x30]), unit(long, &[0x41, 0x9a, 3])].concat(),
        ]
    }

    fn assemble(stream: &[u8], cuts: usize) -> Vec<Vec<u8>> {
        let (mut assembler, mut found) = (Assembler::default(), Vec::new());
        for piece in stream.chunks(cuts) {
            assembler.push(piece);
            while let Some(frame) = assembler.next() {
                found.push(frame.to_vec());
            }
        }
        found.extend(assembler.flush().map(|frame| frame.to_vec()));
        found
    }

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let stream = frames().concat();
        for cuts in 1..=stream.len() {
            assert_eq!(assemble(&stream, cuts), frames(), "pieces of {cuts}");
        }
    }

    #[test]
    fn the_last_frame_is_complete_when_told_so() {
        let mut assembler = Assembler::default();
        for frame in frames() {
            assembler.push(&frame);
            assert_eq!(assembler.next(), None, "only what was told is known");
            assert_eq!(assembler.flush().as_deref(), Some(&frame[..]));
        }
        assert!(!assembler.is_within_frame() && assembler.flush().is_none());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_panics(pieces in prop::collection::vec(prop::collection::vec(0u8..4, 0..40), 0..20)) {
            let stream = pieces.concat();
            let mut assembler = Assembler::default();
            let mut found = Vec::new();
            for piece in &pieces {
                assembler.push(piece);
                while let Some(frame) = assembler.next() {
                    found.extend(frame);
                }
            }
            found.extend(assembler.bytes);
            prop_assert_eq!(found, stream);
        }
    }
}
