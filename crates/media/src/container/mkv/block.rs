//! Blocks (RFC 9559 §10): frames of one track, of which small ones may share a block ("lacing",
//! §10.3).

use super::ebml::variable;
use bytes::{Buf, Bytes};

/// Frames of one block; what is beyond is a mistake, for their number is told in a byte.
const MAX_FRAMES: usize = 256;

/// One block.
#[derive(Debug)]
pub(super) struct MkvBlock {
    pub(super) track: u64,
    /// Ticks since the cluster's beginning.
    pub(super) time: i16,
    pub(super) frames: Vec<Bytes>,
}

/// `None` if it makes no sense.
pub(super) fn read(mut body: Bytes) -> Option<MkvBlock> {
    let (track, width) = variable(&body)?;
    body.advance(width);
    if body.len() < 3 {
        return None;
    }
    let (time, flags) = (body.get_i16(), body.get_u8());
    let frames = match flags >> 1 & 3 {
        0 => vec![body],
        lacing => laced(lacing, body)?,
    };
    Some(MkvBlock { track: track?, time, frames })
}

fn laced(lacing: u8, mut body: Bytes) -> Option<Vec<Bytes>> {
    let count = usize::from(*body.first()?) + 1;
    body.advance(1);
    let sizes = match lacing {
        1 => xiph_sizes(&mut body, count - 1)?,
        3 => ebml_sizes(&mut body, count - 1)?,
        // All of the same length.
        _ => vec![
            body.len().checked_div(count).filter(|each| each * count == body.len())?;
            count - 1
        ],
    };
    let mut frames = Vec::with_capacity(count.min(MAX_FRAMES));
    for size in sizes {
        frames.push((body.len() >= size).then(|| body.split_to(size))?);
    }
    frames.push(body);
    Some(frames)
}

/// Sums of bytes, of which each of 255 is followed by another (§10.3.2).
fn xiph_sizes(body: &mut Bytes, count: usize) -> Option<Vec<usize>> {
    let mut sizes = Vec::with_capacity(count);
    for _ in 0..count {
        let mut size = 0;
        loop {
            let byte = *body.first()?;
            body.advance(1);
            size += usize::from(byte);
            if byte < 255 {
                break;
            }
        }
        sizes.push(size);
    }
    Some(sizes)
}

/// The first as a number, the others as differences (§10.3.3).
fn ebml_sizes(body: &mut Bytes, count: usize) -> Option<Vec<usize>> {
    let mut sizes: Vec<usize> = Vec::with_capacity(count);
    for _ in 0..count {
        let (value, width) = variable(body)?;
        let value = i64::try_from(value?).ok()?;
        body.advance(width);
        let size = match sizes.last() {
            None => value,
            Some(last) => {
                i64::try_from(*last).ok()?.checked_add(value - ((1 << (7 * width - 1)) - 1))?
            }
        };
        sizes.push(usize::try_from(size).ok()?);
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        Some(read(Bytes::copy_from_slice(bytes))?.frames.iter().map(|f| f.to_vec()).collect())
    }

    #[test]
    fn frames_that_share_a_block() {
        let expected = Some(vec![vec![1, 1], vec![2], vec![3, 3]]);
        assert_eq!(frames(&[0x81, 0, 5, 0x02, 2, 2, 1, 1, 1, 2, 3, 3]), expected, "Xiph");
        assert_eq!(
            frames(&[0x81, 0, 5, 0x06, 2, 0x82, 0xbe, 1, 1, 2, 3, 3]),
            expected,
            "EBML: one less"
        );
        assert_eq!(
            frames(&[0x81, 0, 5, 0x04, 1, 1, 1, 2, 2]),
            Some(vec![vec![1, 1], vec![2, 2]]),
            "all the same"
        );
        assert_eq!(frames(&[0x81, 0, 5, 0x80, 7]), Some(vec![vec![7]]), "alone");
        assert_eq!(frames(&[0x81, 0, 5, 0x02, 2, 200, 1, 1]), None, "cut short");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(bytes.into());
        }
    }
}
