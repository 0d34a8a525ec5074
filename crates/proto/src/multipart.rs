//! Multipart answers that never end (`multipart/x-mixed-replace`), as cameras and scripts send
//! their JPEG files.
//!
//! The boundary that the answer's head names is not used: half of all senders quote it, or add or
//! forget its dashes. A part begins with any line of two dashes. It ends with its length where it
//! tells one, else with its JPEG file, so that no picture waits for the part behind it.

use bytes::{Buf, Bytes, BytesMut};
use media::jpeg::Scanner;

/// Largest file: four times what an 8K picture takes.
pub const MAX_FILE: usize = 32 << 20;
/// Largest head of a part, and largest of what may stand between two of them.
const MAX_HEAD: usize = 16 << 10;

/// What comes is no endless answer of JPEG files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// No line of two dashes, or no empty line behind it.
    #[error("no part of a multipart answer within {} KiB", MAX_HEAD >> 10)]
    NoPart,
    /// A part that is no JPEG file.
    #[error("a part that is no JPEG")]
    NotJpeg,
    /// A file larger than [`MAX_FILE`].
    #[error("a file of more than {} MiB", MAX_FILE >> 20)]
    TooLarge,
}

/// Takes the answer apart.
#[derive(Default, Debug)]
pub struct Reader {
    buffer: BytesMut,
    state: State,
}

#[derive(Default, Debug)]
enum State {
    /// Before the line that begins a part.
    #[default]
    Between,
    /// Within the head. How much of it is read, and the length it told.
    Head { read: usize, length: Option<usize> },
    /// Within the file.
    File { length: Option<usize>, scanner: Scanner },
}

impl Reader {
    /// Takes what has come. Everything complete is to be asked for before more is given.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next file, if it is complete.
    ///
    /// # Errors
    /// [`Fault`]; nothing more can be read then.
    pub fn poll(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match &mut self.state {
                State::Between | State::Head { .. } => {
                    let Some(line) = self.take_line()? else { return Ok(None) };
                    self.handle_line(&line);
                }
                State::File { length, scanner } => {
                    let Some(end) = end_of_file(&self.buffer, *length, scanner)? else {
                        return Ok(None);
                    };
                    let file = self.buffer.split_to(end).freeze();
                    self.state = State::Between;
                    return match file.starts_with(&[0xff, 0xd8]) {
                        true => Ok(Some(file)),
                        false => Err(Fault::NotJpeg),
                    };
                }
            }
        }
    }

    /// The next line without its end.
    fn take_line(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(end) = self.buffer.iter().take(MAX_HEAD).position(|b| *b == b'\n') else {
            return if self.buffer.len() < MAX_HEAD { Ok(None) } else { Err(Fault::NoPart) };
        };
        let mut line = self.buffer.split_to(end).freeze();
        self.buffer.advance(1);
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if let State::Head { read, .. } = &mut self.state {
            *read += line.len() + 1;
            if *read > MAX_HEAD {
                return Err(Fault::NoPart);
            }
        }
        Ok(Some(line))
    }

    fn handle_line(&mut self, line: &[u8]) {
        match &mut self.state {
            State::Between if line.starts_with(b"--") => {
                self.state = State::Head { read: 0, length: None }
            }
            State::Head { length, .. } if line.is_empty() => {
                self.state = State::File { length: *length, scanner: Scanner::default() };
            }
            State::Head { length, .. } => *length = content_length(line).or(*length),
            State::Between | State::File { .. } => {}
        }
    }
}

fn end_of_file(
    bytes: &[u8],
    length: Option<usize>,
    scanner: &mut Scanner,
) -> Result<Option<usize>, Fault> {
    let end = match length {
        Some(length) if length > MAX_FILE => return Err(Fault::TooLarge),
        Some(length) => (bytes.len() >= length).then_some(length),
        None => scanner.end(bytes).map_err(|_| Fault::NotJpeg)?,
    };
    if end.is_none() && bytes.len() > MAX_FILE { Err(Fault::TooLarge) } else { Ok(end) }
}

/// The value of a `Content-Length` line; zero means that the sender did not know.
fn content_length(line: &[u8]) -> Option<usize> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let length =
        name.trim().eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())??;
    (length > 0).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: [u8; 14] = [0xff, 0xd8, 0xff, 0xda, 0, 4, 1, 2, b'\n', b'-', b'-', 3, 0xff, 0xd9];

    fn read(text: &[u8], piece: usize) -> Result<Vec<Bytes>, Fault> {
        let (mut reader, mut files) = (Reader::default(), Vec::new());
        for bytes in text.chunks(piece.max(1)) {
            reader.push(bytes);
            while let Some(file) = reader.poll()? {
                files.push(file);
            }
        }
        Ok(files)
    }

    /// As Flask scripts, ffmpeg and cameras write it.
    fn answers() -> [Vec<u8>; 3] {
        let flask =
            [b"--frame\r\nContent-Type: image/jpeg\r\n\r\n".as_slice(), &FILE, b"\r\n"].concat();
        let ffmpeg = [
            b"--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: 14\r\n\r\n".as_slice(),
            &FILE,
            b"\r\n",
        ]
        .concat();
        let camera =
            [b"\r\n\r\n----cam\nContent-Length:14\nX-Timestamp: 5.0\n\n".as_slice(), &FILE, b"\n"]
                .concat();
        [flask, ffmpeg, camera]
    }

    #[test]
    fn files_are_found_however_they_are_wrapped_and_cut() {
        for answer in answers() {
            let three = answer.repeat(3);
            for piece in [1, 2, 7, 1000] {
                assert_eq!(
                    read(&three, piece),
                    Ok(vec![Bytes::from_static(&FILE); 3]),
                    "{}",
                    answer.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn a_file_does_not_wait_for_what_is_behind_it() {
        for answer in answers() {
            let end = answer.windows(2).rposition(|w| w == [0xff, 0xd9]).unwrap() + 2;
            assert_eq!(read(&answer[..end], 1).unwrap().len(), 1);
        }
    }

    #[test]
    fn what_is_something_else_is_refused() {
        assert_eq!(read(b"--x\r\n\r\n<html>", 100), Err(Fault::NotJpeg));
        assert_eq!(read(b"--x\r\nContent-Length: 6\r\n\r\n<html>", 100), Err(Fault::NotJpeg));
        assert_eq!(read(b"--x\r\nContent-Length: 99999999999\r\n\r\n", 100), Err(Fault::TooLarge));
        assert_eq!(read(&b"x".repeat(MAX_HEAD), 100), Err(Fault::NoPart));
        assert_eq!(
            read(&[b"--x\r\n".as_slice(), &b"a: b\r\n".repeat(MAX_HEAD)].concat(), 100),
            Err(Fault::NoPart)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_files_or_a_fault(bytes: Vec<u8>, piece in 1usize..50, which in 0usize..3) {
            let mut text = answers()[which].clone();
            text.extend(bytes);
            let _ = read(&text, piece);
        }
    }
}
