//! Opus (RFC 6716): what can be told without decoding.

/// Ticks a second of all Opus timestamps in containers and RTP (RFC 7587 §4.1).
pub const CLOCK: u32 = 48_000;
/// A packet lasts 120 ms at most (§3.2.5).
const MAX_TICKS: u32 = CLOCK * 120 / 1000;

/// How long a packet lasts, in ticks of [`CLOCK`] (§3.1); `None` if it is empty or breaks the
/// rules.
pub fn ticks(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame_ticks(toc >> 3) * frames).filter(|ticks| (1..=MAX_TICKS).contains(ticks))
}

/// Length of a frame by the configuration number (table 2).
fn frame_ticks(config: u8) -> u32 {
    let tenths_of_ms = match config {
        0..12 => [100, 200, 400, 600][usize::from(config & 3)],
        12..16 => [100, 200][usize::from(config & 1)],
        _ => [25, 50, 100, 200][usize::from(config & 3)],
    };
    CLOCK / 10_000 * tenths_of_ms + CLOCK % 10_000 * tenths_of_ms / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_packets() {
        assert_eq!(ticks(&[0xfc, 0]), Some(960), "fullband, 20 ms, one frame");
        assert_eq!(ticks(&[0xe1, 0]), Some(240), "fullband, twice 2.5 ms");
        assert_eq!(ticks(&[0x1b << 3 | 3, 6]), Some(6 * 960));
        assert_eq!(ticks(&[3 << 3]), Some(2880), "narrowband, 60 ms");
        assert_eq!(ticks(&[13 << 3]), Some(960), "hybrid, 20 ms");
        assert_eq!([ticks(&[]), ticks(&[0xff]), ticks(&[0xff, 0]), ticks(&[0xff, 7])], [None; 4]);
    }
}
