//! SMJPEG as ffmpeg writes it: each picture with its time and its length before it, so that none
//! waits for the next.

use bytes::{Buf, Bytes, BytesMut};

/// What comes before anything else, then version and duration.
const MAGIC: &[u8] = b"\0\nSMJPEG";
const HEAD: usize = MAGIC.len() + 8;
/// The largest picture or text.
const MOST: usize = 16 << 20;

/// Something else.
#[derive(Debug)]
pub(super) struct Nonsense;

/// Takes a stream apart.
#[derive(Default)]
pub(super) struct Smjpeg {
    buffer: BytesMut,
    begun: bool,
}

impl Smjpeg {
    /// Where to put what was read.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole picture, and its time in milliseconds.
    pub(super) fn poll(&mut self) -> Result<Option<(u32, Bytes)>, Nonsense> {
        if !self.begin()? {
            return Ok(None);
        }
        while let Some(tag) = self.buffer.first_chunk::<4>().copied() {
            let head = match &tag {
                b"HEND" | b"DONE" => {
                    self.buffer.advance(4);
                    continue;
                }
                b"_TXT" | b"_SND" | b"_VID" => 8,
                b"vidD" => 12,
                _ => return Err(Nonsense),
            };
            let Some(mut fields) = self.buffer.get(4..head) else { return Ok(None) };
            let time = if head == 12 { fields.get_u32() } else { 0 };
            let length = fields.get_u32() as usize;
            if length > MOST {
                return Err(Nonsense);
            }
            if self.buffer.len() < head + length {
                return Ok(None);
            }
            self.buffer.advance(head);
            let content = self.buffer.split_to(length).freeze();
            if head == 12 {
                return Ok(Some((time, content)));
            }
        }
        Ok(None)
    }

    fn begin(&mut self) -> Result<bool, Nonsense> {
        if !self.begun && self.buffer.len() >= HEAD {
            if !self.buffer.starts_with(MAGIC) {
                return Err(Nonsense);
            }
            self.buffer.advance(HEAD);
            self.begun = true;
        }
        Ok(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_whole_however_they_are_cut() {
        let mut file = [MAGIC, &[0; 8], b"_TXT\0\0\0\x03abc_VID\0\0\0\x04\0\0\0\0HEND"].concat();
        file.extend_from_slice(b"vidD\0\0\0\x21\0\0\0\x02\xff\xd8vidD\0\0\0\x42\0\0\0\x01xDONE");
        for step in [1, 3, 100] {
            let (mut smjpeg, mut seen) = (Smjpeg::default(), Vec::new());
            for piece in file.chunks(step) {
                smjpeg.buffer().extend_from_slice(piece);
                while let Some(picture) = smjpeg.poll().unwrap() {
                    seen.push(picture);
                }
            }
            assert_eq!(
                seen,
                [(33, Bytes::from_static(b"\xff\xd8")), (66, Bytes::from_static(b"x"))]
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = [MAGIC, &[0; 8], b"vidD\0\0\0\0\xff\0\0\0"].concat();
        for wrong in
            [&b"\xff\xd8 a JPEG without a head"[..], &[MAGIC, &[0; 8], b"what"].concat(), &long]
        {
            let mut smjpeg = Smjpeg::default();
            smjpeg.buffer().extend_from_slice(wrong);
            assert!(smjpeg.poll().is_err());
        }
    }
}
