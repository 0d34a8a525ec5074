//! JPEG files (ITU-T T.81) as cameras send them one after another: where one ends, and how large
//! its picture is.

/// The error of bytes that are no JPEG file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no JPEG")]
pub struct NotJpeg;

/// Markers (T.81 table B.1).
const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
/// A zero behind 0xff stands for 0xff itself.
const STUFFED: u8 = 0;

/// Finds the end of a file that is still coming. It looks at every byte once, however often it is
/// asked.
#[derive(Clone, Copy, Default, Debug)]
pub struct Scanner {
    /// All before this is understood.
    at: usize,
    /// Within the coded picture, which has no length.
    in_scan: bool,
}

impl Scanner {
    /// Length of the file that `bytes` begin with; `None` while its end has not come. `bytes` must
    /// be the same as before, perhaps with more behind.
    ///
    /// # Errors
    /// [`NotJpeg`].
    pub fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJpeg> {
        if self.at == 0 {
            match bytes {
                [0xff, START, ..] => self.at = 2,
                [] | [0xff] => return Ok(None),
                _ => return Err(NotJpeg),
            }
        }
        loop {
            if self.in_scan && !self.pass_scan(bytes) {
                return Ok(None);
            }
            let Some(segment) = JpegSegment::at(bytes, self.at)? else { return Ok(None) };
            if segment.marker == END {
                return Ok(Some(segment.end));
            }
            if segment.end > bytes.len() {
                return Ok(None);
            }
            (self.at, self.in_scan) = (segment.end, segment.marker == SCAN);
        }
    }

    /// Goes on to the marker behind the coded picture; false if it has not come.
    fn pass_scan(&mut self, bytes: &[u8]) -> bool {
        while let Some(found) = bytes[self.at..].iter().position(|b| *b == 0xff) {
            self.at += found;
            match bytes.get(self.at + 1) {
                None => return false,
                Some(&STUFFED | 0xd0..=0xd7) => self.at += 2,
                Some(0xff) => self.at += 1,
                Some(_) => {
                    self.in_scan = false;
                    return true;
                }
            }
        }
        self.at = bytes.len();
        false
    }
}

/// A marker and what belongs to it.
#[derive(Clone, Copy, Debug)]
struct JpegSegment {
    marker: u8,
    /// Behind the marker.
    body: usize,
    end: usize,
}

impl JpegSegment {
    /// The one at `at`; `None` if its length has not come.
    fn at(bytes: &[u8], mut at: usize) -> Result<Option<Self>, NotJpeg> {
        // Any number of 0xff may stand before a marker.
        while bytes.get(at..at + 2) == Some(&[0xff, 0xff]) {
            at += 1;
        }
        let body = at + 2;
        match bytes.get(at..) {
            Some([0xff, marker @ (0x01 | 0xd0..=0xd9), ..]) => {
                Ok(Some(Self { marker: *marker, body, end: body }))
            }
            Some([0xff, STUFFED, ..]) => Err(NotJpeg),
            Some([0xff, marker, high, low, ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length < 2 {
                    return Err(NotJpeg);
                }
                Ok(Some(Self { marker: *marker, body, end: body + length }))
            }
            Some([other, ..]) if *other != 0xff => Err(NotJpeg),
            _ => Ok(None),
        }
    }
}

/// Columns and rows of the picture in a file, by its frame header (T.81 B.2.2).
pub fn size(file: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let segment = JpegSegment::at(file, at).ok()??;
        if segment.marker == SCAN || segment.marker == END {
            return None;
        }
        if is_frame(segment.marker) {
            let [high_y, low_y, high_x, low_x] =
                file.get(segment.body + 3..segment.body + 7)?.try_into().ok()?;
            let [width, height] =
                [[high_x, low_x], [high_y, low_y]].map(|n| u32::from(u16::from_be_bytes(n)));
            return (width > 0 && height > 0).then_some((width, height));
        }
        at = segment.end;
    }
}

/// `SOF0` to `SOF15`, between which other markers lie.
const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A thumbnail within a segment, padding before a marker, a stuffed byte and a restart in the
    /// picture.
    fn file() -> Vec<u8> {
        let mut file = vec![0xff, START];
        file.extend([0xff, 0xe1, 0, 8, 0xff, START, 1, 2, 0xff, END]);
        file.extend([0xff, 0xff, 0xff, 0xc0, 0, 11, 8, 0x01, 0x68, 0x01, 0xe0, 1, 1, 0x11, 0]);
        file.extend([0xff, SCAN, 0, 8, 1, 1, 0, 0, 63, 0]);
        file.extend([1, 2, 0xff, STUFFED, 3, 0xff, 0xd0, 4, 0xff, END]);
        file
    }

    #[test]
    fn the_end_is_known_as_soon_as_it_has_come() {
        let file = file();
        let mut with_more = file.clone();
        with_more.extend(b"\r\n--frame");
        let mut scanner = Scanner::default();
        for len in 0..file.len() {
            assert_eq!(scanner.end(&with_more[..len]), Ok(None), "{len}");
        }
        assert_eq!(scanner.end(&with_more), Ok(Some(file.len())));
        assert_eq!(Scanner::default().end(&with_more), Ok(Some(file.len())));
    }

    #[test]
    fn the_picture_is_measured_and_not_its_thumbnail() {
        assert_eq!(size(&file()), Some((480, 360)));
        assert_eq!(size(&file()[..20]), None);
    }

    #[test]
    fn what_is_no_jpeg_is_refused() {
        assert_eq!(Scanner::default().end(b"<html>"), Err(NotJpeg));
        assert_eq!(Scanner::default().end(&[0xff, START, 0x12]), Err(NotJpeg));
        assert_eq!(Scanner::default().end(&[0xff, START, 0xff, 0xe0, 0, 1]), Err(NotJpeg));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_in_pieces_as_in_one(mut bytes: Vec<u8>, cut in 0usize..200) {
            bytes.splice(0..0, file()[..bytes.len() % file().len()].iter().copied());
            let whole = Scanner::default().end(&bytes);
            let mut scanner = Scanner::default();
            let first = scanner.end(&bytes[..cut.min(bytes.len())]);
            if first == Ok(None) {
                prop_assert_eq!(scanner.end(&bytes), whole);
            }
            size(&bytes);
        }
    }
}
