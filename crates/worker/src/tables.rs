//! Huffman tables for the files of cameras that leave them out.
//!
//! Many webcams do: motion JPEG has one set of tables (ITU-T T.81 annex K.3), so they save the
//! bytes. Not every decoder knows.

use std::{borrow::Cow, sync::OnceLock};

/// Markers (T.81 table B.1).
const TABLES: u8 = 0xc4;
const SCAN: u8 = 0xda;

/// The file with tables: itself, if it has some or is no JPEG.
pub(crate) fn with_tables(file: &[u8]) -> Cow<'_, [u8]> {
    let segments = || Segments { file, at: 2 };
    let scan = segments().find(|(marker, _)| *marker == SCAN);
    match scan {
        Some((_, scan))
            if segments()
                .take_while(|(marker, _)| *marker != SCAN)
                .all(|(marker, _)| marker != TABLES) =>
        {
            let (head, rest) = file.split_at(scan.start);
            Cow::Owned([head, standard(), rest].concat())
        }
        _ => Cow::Borrowed(file),
    }
}

/// The tables of annex K.3, as the segments of a file. Our own encoder uses them, so they are taken
/// from a file of its.
fn standard() -> &'static [u8] {
    static STANDARD: OnceLock<Vec<u8>> = OnceLock::new();
    STANDARD.get_or_init(|| {
        let file = crate::jpeg::encode(&crate::picture::I420::new(16, 16), 50).unwrap_or_default();
        let tables = Segments { file: &file, at: 2 }.filter(|(marker, _)| *marker == TABLES);
        tables.flat_map(|(_, range)| file[range].to_vec()).collect()
    })
}

/// The markers of a file's head with where their segments are, up to and with the first scan.
struct Segments<'a> {
    file: &'a [u8],
    at: usize,
}

impl Iterator for Segments<'_> {
    type Item = (u8, std::ops::Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let [0xff, marker, high, low] = *self.file.get(start..)?.first_chunk()? else {
            return None;
        };
        let end = start + 2 + usize::from(u16::from_be_bytes([high, low]));
        // Behind a scan's head come its samples.
        self.at = if marker == SCAN { usize::MAX } else { end };
        (end <= self.file.len()).then_some((marker, start..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file() -> Vec<u8> {
        let options =
            crate::picture::Options { name: "x".into(), width: 64, height: 48, fps: 30, noise: 50 };
        let now = media::ClockPair { mono: media::Mono::default(), wall: media::Wall::default() };
        crate::jpeg::encode(crate::picture::Picture::new(&options).draw(now), 80).unwrap().to_vec()
    }

    fn without_tables(file: &[u8]) -> Vec<u8> {
        let tables: Vec<_> = Segments { file, at: 2 }
            .filter(|(m, _)| *m == TABLES)
            .map(|(_, range)| range)
            .collect();
        assert!(!tables.is_empty());
        let bytes =
            file.iter().enumerate().filter(|(i, _)| !tables.iter().any(|range| range.contains(i)));
        bytes.map(|(_, byte)| *byte).collect()
    }

    #[test]
    fn a_file_without_tables_can_be_decoded_again() {
        let whole = file();
        assert!(matches!(with_tables(&whole), Cow::Borrowed(_)));
        let stripped = without_tables(&whole);
        let mended = with_tables(&stripped);
        // Four tables with 28 and 178 bytes of content, as annex K.3 has them.
        assert_eq!(
            (standard().len(), mended.len()),
            (4 * (2 + 2 + 1 + 16) + 2 * 12 + 2 * 162, whole.len())
        );
        let mut picture = crate::picture::I420::new(64, 48);
        crate::raw::decode(&mended, &mut picture).unwrap();
        let mut before = crate::picture::I420::new(64, 48);
        crate::raw::decode(&whole, &mut before).unwrap();
        assert_eq!(picture.as_bytes(), before.as_bytes());
    }

    proptest! {
        #[test]
        fn nothing_is_a_panic(bytes: Vec<u8>, at in 0usize..2000, value: u8) {
            let _ = with_tables(&bytes);
            let mut file = without_tables(&file());
            let at = at % file.len();
            file[at] = value;
            let _ = with_tables(&file);
        }
    }
}
