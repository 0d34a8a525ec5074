//! The beginning of an AAC `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1).

use media::{bits::BitReader, time::rescale};

/// Sampling frequencies by index (table 1.18).
const RATES: [u32; 13] = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
/// Object types (table 1.17).
const SBR: u32 = 5;
const LOW_DELAY: u32 = 23;
const PS: u32 = 29;
const ENHANCED_LOW_DELAY: u32 = 39;

/// What can be told of an AAC stream without decoding it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioSpecificConfig {
    /// Samples a second of the core coder.
    pub core_rate: u32,
    /// Samples a second that come out: twice the core's where spectral band replication is announced.
    pub rate: u32,
    /// Channels of the core coder.
    pub channels: u8,
    /// Samples of the core coder a frame.
    pub frame_samples: u32,
}

impl AudioSpecificConfig {
    /// Reads the head of a configuration; `None` if it is cut short or uses reserved values.
    pub fn parse(config: &[u8]) -> Option<Self> {
        let mut r = BitReader::new(config);
        let mut object = object_type(&mut r)?;
        let core_rate = sampling_rate(&mut r)?;
        let channels = channel_count(r.bits(4)?)?;
        let mut rate = core_rate;
        if object == SBR || object == PS {
            rate = sampling_rate(&mut r)?;
            object = object_type(&mut r)?;
        }
        let short = r.bits(1)? == 1;
        let frame_samples = match (object, short) {
            (LOW_DELAY | ENHANCED_LOW_DELAY, false) => 512,
            (LOW_DELAY | ENHANCED_LOW_DELAY, true) => 480,
            (_, false) => 1024,
            (_, true) => 960,
        };
        Some(Self { core_rate, rate, channels, frame_samples })
    }

    /// Length of a frame on a clock of `clock_rate` Hz.
    pub fn frame_ticks(&self, clock_rate: u32) -> i64 {
        rescale(self.frame_samples.into(), self.core_rate, clock_rate)
    }
}

fn object_type(r: &mut BitReader<'_>) -> Option<u32> {
    match r.bits(5)? {
        31 => Some(32 + r.bits(6)?),
        ty => Some(ty),
    }
}

fn sampling_rate(r: &mut BitReader<'_>) -> Option<u32> {
    match r.bits(4)? {
        15 => r.bits(24).filter(|rate| *rate > 0),
        index => RATES.get(index as usize).copied(),
    }
}

/// Table 1.19; 0 means that a program config element tells, which nobody here reads: two is likely.
fn channel_count(configuration: u32) -> Option<u8> {
    match configuration {
        0 => Some(2),
        n @ 1..=6 => Some(n as u8),
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_configurations() {
        let config =
            |core_rate, rate, channels, frame_samples| Some(AudioSpecificConfig { core_rate, rate, channels, frame_samples });
        assert_eq!(AudioSpecificConfig::parse(&[0x12, 0x10]), config(44_100, 44_100, 2, 1024));
        assert_eq!(AudioSpecificConfig::parse(&[0x14, 0x08]), config(16_000, 16_000, 1, 1024));
        assert_eq!(AudioSpecificConfig::parse(&[0x2b, 0x11, 0x88, 0x00]), config(24_000, 48_000, 2, 1024));
        assert_eq!(AudioSpecificConfig::parse(&[0x2b, 0x11, 0x88, 0x00]).map(|c| c.frame_ticks(48_000)), Some(2048));
        assert_eq!(AudioSpecificConfig::parse(&[0x12]), None);
    }

    proptest! {
        #[test]
        fn never_panics(config in prop::collection::vec(any::<u8>(), 0..8), rate: u32) {
            let _ = AudioSpecificConfig::parse(&config).map(|c| c.frame_ticks(rate));
        }
    }
}
