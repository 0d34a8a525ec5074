//! Sizes of fragments: how to cut a frame so that it leaves in few batched sends.
//!
//! UDP segmentation offload sends a run of equal-sized datagrams, of which only the last may be
//! smaller, in one call. One NAL unit is always one run. Each further one ends a run with its short
//! tail unless the common size divides it without rest, so with several the size is searched for: a
//! division or two per candidate, once a frame for all its readers.

/// A part of a frame in the order of sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// One packet of this many payload bytes.
    Packet(usize),
    /// To be fragmented: bytes to distribute over packets that each have a head of their own.
    Fragmented(usize),
}

/// Bytes of a part that go into each fragment, at most `max`. `head` is the size of a fragment's
/// head.
pub(super) fn fragment_size(parts: &[Part], head: usize, max: usize) -> usize {
    let even = parts.iter().map(|part| match part {
        Part::Fragmented(len) => len.div_ceil(len.div_ceil(max).max(1)),
        Part::Packet(_) => 0,
    });
    let even = even.max().unwrap_or(0).clamp(1, max);
    if parts.len() < 2 {
        return even;
    }
    // Smaller packets than these would cost more than a saved send brings.
    let candidates = (max - max / 8..=max).rev();
    candidates.min_by_key(|&size| cost(parts, head, size)).unwrap_or(even)
}

/// Batched sends, then packets, that `parts` take with fragments of `size`.
fn cost(parts: &[Part], head: usize, size: usize) -> (usize, usize) {
    let mut runs = Runs::default();
    for part in parts {
        match *part {
            Part::Packet(len) => runs.push(len, 1),
            Part::Fragmented(len) => {
                runs.push(size + head, len / size);
                runs.push(len % size + head, usize::from(len % size > 0));
            }
        }
    }
    (runs.runs, runs.packets)
}

/// Counts the runs of a sequence of packets.
#[derive(Default)]
struct Runs {
    /// Size of the packets of the current run; 0 if a smaller one has ended it.
    size: usize,
    runs: usize,
    packets: usize,
}

impl Runs {
    fn push(&mut self, len: usize, times: usize) {
        self.packets += times;
        for _ in 0..times.min(2) {
            match len.cmp(&self.size) {
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Less => self.size = 0,
                std::cmp::Ordering::Greater => {
                    self.runs += 1;
                    self.size = len;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: usize = 2;
    const MAX: usize = 1186;

    fn runs(parts: &[Part]) -> usize {
        cost(parts, HEAD, fragment_size(parts, HEAD, MAX)).0
    }

    #[test]
    fn one_unit_is_one_run_of_even_packets() {
        for len in [1187, 1200, 13_000, 100_000] {
            let size = fragment_size(&[Part::Fragmented(len)], HEAD, MAX);
            assert_eq!(runs(&[Part::Fragmented(len)]), 1);
            assert_eq!(len.div_ceil(size), len.div_ceil(MAX), "no more packets than needed");
            assert!(
                size * len.div_ceil(size) - len < len.div_ceil(size),
                "the last is hardly smaller"
            );
        }
    }

    #[test]
    fn two_slices_are_one_run_where_a_size_divides_the_first() {
        assert_eq!(runs(&[Part::Fragmented(6 * 1100), Part::Fragmented(6000)]), 1);
        assert_eq!(
            runs(&[Part::Fragmented(5 * 1151), Part::Fragmented(5 * 1151), Part::Fragmented(3)]),
            1
        );
        assert_eq!(runs(&[Part::Fragmented(6007), Part::Fragmented(6007)]), 2);
    }

    #[test]
    fn parameter_sets_before_a_picture_are_a_run_of_their_own() {
        assert_eq!(runs(&[Part::Packet(40), Part::Fragmented(20_000)]), 2);
        assert_eq!(runs(&[Part::Fragmented(20_000), Part::Packet(40)]), 2);
    }

    #[test]
    fn counting_follows_the_rule() {
        let count = |sizes: &[usize]| {
            let mut r = Runs::default();
            sizes.iter().for_each(|s| r.push(*s, 1));
            r.runs
        };
        assert_eq!(count(&[5, 5, 3]), 1);
        assert_eq!(count(&[5, 3, 3]), 2);
        assert_eq!(count(&[3, 5, 5]), 2);
        assert_eq!(count(&[5, 3, 5]), 2);
    }
}
