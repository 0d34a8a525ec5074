//! AAC: the beginning of its `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1) and the headers of
//! ADTS (§1.A.2.2).

use crate::{bits::BitReader, time::rescale};
use bytes::Bytes;

/// Sampling frequencies by index (table 1.18).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
    7350,
];
/// Object types (table 1.17).
const SBR: u32 = 5;
const LOW_DELAY: u32 = 23;
const PS: u32 = 29;
const ENHANCED_LOW_DELAY: u32 = 39;

/// The properties of an AAC stream that are readable without decoding it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioSpecificConfig {
    /// Audio object type of the core coder (table 1.17): 2 is low complexity.
    pub object: u8,
    /// The object type that comes first: 5 or 29 where spectral band replication or parametric
    /// stereo is announced.
    pub announced: u8,
    /// Samples a second of the core coder.
    pub core_rate: u32,
    /// Samples a second that come out: twice the core's where spectral band replication is
    /// announced.
    pub rate: u32,
    /// `channelConfiguration` as it stands (table 1.19).
    pub channel_configuration: u8,
    /// Channels of the core coder.
    pub channels: u8,
    /// Samples of the core coder a frame.
    pub frame_samples: u32,
}

impl AudioSpecificConfig {
    /// Reads the head of a configuration; `None` if it is cut short or uses reserved values.
    pub fn parse(config: &[u8]) -> Option<Self> {
        let mut r = BitReader::new(config);
        let announced = object_type(&mut r)?;
        let mut object = announced;
        let core_rate = sampling_rate(&mut r)?;
        let channel_configuration = r.bits(4)?;
        let channels = channel_count(channel_configuration)?;
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
        let (object, announced) = (object as u8, announced as u8);
        let channel_configuration = channel_configuration as u8;
        Some(Self {
            object,
            announced,
            core_rate,
            rate,
            channel_configuration,
            channels,
            frame_samples,
        })
    }

    /// Length of a frame on a clock of `clock_rate` Hz.
    pub fn frame_ticks(&self, clock_rate: u32) -> i64 {
        rescale(self.frame_samples.into(), self.core_rate, clock_rate)
    }

    /// The header that makes a raw frame of `len` bytes an ADTS frame; `None` where ADTS cannot say
    /// what it is: other object types than 1 to 4, odd rates, channels that only a program config
    /// element tells, more than 8 KiB.
    pub fn adts_header(&self, len: usize) -> Option<[u8; ADTS_LEN]> {
        let profile = self.object.checked_sub(1).filter(|p| *p < 4)?;
        let rate = RATES.iter().position(|r| *r == self.core_rate)? as u8;
        let channels = Some(self.channel_configuration).filter(|c| (1..=7).contains(c))?;
        let len = u16::try_from(len + ADTS_LEN).ok().filter(|l| *l < 1 << 13)?;
        let fullness = 0x7ff_u16; // variable rate
        Some([
            0xff,
            0xf1, // MPEG-4, no checksum
            profile << 6 | rate << 2 | channels >> 2,
            (channels & 3) << 6 | (len >> 11) as u8,
            (len >> 3) as u8,
            (len as u8) << 5 | (fullness >> 6) as u8,
            (fullness << 2) as u8, // one raw data block
        ])
    }
}

/// Bytes of an ADTS header without checksum.
pub const ADTS_LEN: usize = 7;

/// The fields of an ADTS header (§1.A.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Adts {
    /// Bytes of the header, with its checksum.
    pub head: usize,
    /// Bytes of the frame, with its header.
    pub len: usize,
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u8,
    /// Samples of the frame.
    pub samples: i64,
    config: [u8; 2],
}

impl Adts {
    /// Reads the header at the beginning of `bytes`; `None` if there is none, or a reserved value
    /// in it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; ADTS_LEN] = bytes.first_chunk()?;
        if head[0] != 0xff || head[1] & 0xf6 != 0xf0 {
            return None;
        }
        let (profile, rate) = (head[2] >> 6, head[2] >> 2 & 15);
        let configuration = (head[2] & 1) << 2 | head[3] >> 6;
        let len =
            usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        Some(Self {
            head: ADTS_LEN + if head[1] & 1 == 0 { 2 } else { 0 },
            len,
            rate: *RATES.get(usize::from(rate))?,
            channels: channel_count(configuration.into())?,
            samples: 1024 * (1 + i64::from(head[6] & 3)),
            config: [(profile + 1) << 3 | rate >> 1, rate << 7 | configuration << 3],
        })
    }

    /// The `AudioSpecificConfig` that says the same.
    pub fn config(&self) -> Bytes {
        Bytes::copy_from_slice(&self.config)
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

/// Table 1.19; 0 means that a program config element tells, which is not read here: two is likely.
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
        let read = |config: &[u8]| {
            AudioSpecificConfig::parse(config)
                .map(|c| (c.announced, c.object, c.core_rate, c.rate, c.channels, c.frame_samples))
        };
        assert_eq!(read(&[0x12, 0x10]), Some((2, 2, 44_100, 44_100, 2, 1024)));
        assert_eq!(read(&[0x14, 0x08]), Some((2, 2, 16_000, 16_000, 1, 1024)));
        assert_eq!(read(&[0x2b, 0x11, 0x88, 0x00]), Some((5, 2, 24_000, 48_000, 2, 1024)));
        assert_eq!(
            AudioSpecificConfig::parse(&[0x2b, 0x11, 0x88, 0x00]).map(|c| c.frame_ticks(48_000)),
            Some(2048)
        );
        assert_eq!(AudioSpecificConfig::parse(&[0x12]), None);
    }

    #[test]
    fn adts_headers_tell_what_the_configuration_told() {
        let config = AudioSpecificConfig::parse(&[0x12, 0x10]).unwrap();
        assert_eq!(config.adts_header(93), Some([0xff, 0xf1, 0x50, 0x80, 0x0c, 0x9f, 0xfc]));
        assert_eq!(config.adts_header(1 << 13), None, "its length has 13 bits");
        let read = Adts::parse(&config.adts_header(93).unwrap()).unwrap();
        assert_eq!(
            (read.head, read.len, read.rate, read.channels, &read.config()[..]),
            (7, 100, 44_100, 2, &[0x12, 0x10][..])
        );
        assert_eq!(
            AudioSpecificConfig::parse(&[0x2b, 0x11, 0x88, 0x00]).unwrap().adts_header(1).unwrap()
                [2]
                >> 2,
            0b01_0110
        );
    }

    proptest! {
        #[test]
        fn never_panics(config in prop::collection::vec(any::<u8>(), 0..8), rate: u32) {
            let _ = AudioSpecificConfig::parse(&config).map(|c| (c.frame_ticks(rate), c.adts_header(rate as usize)));
            let _ = Adts::parse(&config);
        }
    }
}
