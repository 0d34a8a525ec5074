//! How the packets of one track are to be read.

use super::attributes::{Attributes, Parameters, RtpMap};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use media::{Aac, Codec, G711Law, aac::AudioSpecificConfig, h264, h265};
use std::sync::Arc;

/// Many cameras leave base64's padding away, or write it twice.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// Most parameter sets taken from a description.
const MAX_SETS: usize = 32;

/// One payload type of a media description, with everything its depacketiser must know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// 7-bit RTP payload type.
    pub payload_type: u8,
    /// Ticks a second of the RTP timestamps; 90 000 for video.
    pub clock_rate: u32,
    /// The codec, with its parameter sets if the description has them and they can be read.
    pub codec: Codec,
    /// All parameter set NAL units of the description, in its order; there may be more than `codec`
    /// holds.
    pub parameter_sets: Vec<Bytes>,
    /// Layout of AAC packets; without meaning for everything else.
    pub au_headers: AuHeaders,
}

impl Format {
    /// A format whose description says no more than this.
    pub fn new(payload_type: u8, clock_rate: u32, codec: Codec) -> Self {
        Self {
            payload_type,
            clock_rate,
            codec,
            parameter_sets: Vec::new(),
            au_headers: AuHeaders::default(),
        }
    }
}

/// Widths in bits of the fields of an AU header (RFC 3640 §3.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuHeaders {
    /// `sizeLength`, at most 16 here.
    pub size: u8,
    /// `indexLength`, of the first AU of a packet.
    pub index: u8,
    /// `indexDeltaLength`, of those behind it.
    pub index_delta: u8,
}

impl Default for AuHeaders {
    /// `AAC-hbr` (RFC 3640 §3.3.6).
    fn default() -> Self {
        Self { size: 13, index: 3, index_delta: 3 }
    }
}

/// Why a medium cannot be carried.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unsupported {
    /// A codec that is not known here.
    #[error(
        "{media} payload type {payload_type} ({encoding}) is not supported: use H264, H265, MPEG4-GENERIC (AAC), OPUS, PCMU or PCMA"
    )]
    Encoding {
        /// `video` or `audio`.
        media: String,
        /// RTP payload type.
        payload_type: u8,
        /// Encoding name, as well as it is known.
        encoding: String,
    },
    /// A known codec in a form that is not.
    #[error("{media} payload type {payload_type} ({encoding}): {what}")]
    Parameters {
        /// `video` or `audio`.
        media: String,
        /// RTP payload type.
        payload_type: u8,
        /// Encoding name.
        encoding: String,
        /// What is wrong, and what would be right.
        what: &'static str,
    },
    /// Neither pictures nor sound, or not over RTP.
    #[error("media `{media}` over `{proto}` is not carried")]
    Media {
        /// As the description names it.
        media: String,
        /// Its transport protocol.
        proto: String,
    },
}

impl Format {
    /// What the values of `a=rtpmap` and `a=fmtp`, without the payload type before them, say of a
    /// payload type of `media`, which is `video` or `audio`.
    ///
    /// # Errors
    /// If that is not carried.
    pub fn of(
        media: &str,
        payload_type: u8,
        rtpmap: &str,
        fmtp: &str,
    ) -> Result<Self, Unsupported> {
        let line = |name: &str, value: &str| sdp_types::Attribute {
            attribute: name.to_owned(),
            value: Some(format!("{payload_type} {value}")),
        };
        Self::read(
            media,
            payload_type,
            &Attributes::new(&[line("rtpmap", rtpmap), line("fmtp", fmtp)]),
        )
    }

    /// Reads what a medium's attributes say of a payload type.
    pub(super) fn read(
        media: &str,
        payload_type: u8,
        attributes: &Attributes<'_>,
    ) -> Result<Self, Unsupported> {
        let known = attributes.rtpmap(payload_type).or_else(|| static_map(payload_type));
        let encoding = known.as_ref().map_or("no usable rtpmap", |map| map.encoding).to_owned();
        let unknown = || Unsupported::Encoding {
            media: media.to_owned(),
            payload_type,
            encoding: encoding.clone(),
        };
        let map = known.ok_or_else(unknown)?;
        let format = Self::new(payload_type, map.clock_rate, Codec::H264(None));
        let fmtp = attributes.fmtp(payload_type);
        let read =
            match (media.to_ascii_lowercase().as_str(), map.encoding.to_ascii_uppercase().as_str())
            {
                ("video", "H264") => format.with_h264(fmtp),
                ("video", "H265") => format.with_h265(fmtp),
                ("audio", "MPEG4-GENERIC") => format.with_aac(fmtp, &map),
                ("audio", "OPUS") => format.with_opus(fmtp, &map),
                ("audio", "PCMU") => Ok(format.with_g711(G711Law::Mu, &map)),
                ("audio", "PCMA") => Ok(format.with_g711(G711Law::A, &map)),
                _ => return Err(unknown()),
            };
        read.map_err(|what| Unsupported::Parameters {
            media: media.to_owned(),
            payload_type,
            encoding,
            what,
        })
    }

    fn with_h264(mut self, fmtp: Parameters<'_>) -> Result<Self, &'static str> {
        self.check_video_clock()?;
        if fmtp.number("packetization-mode").is_none_or(|mode| mode > 1) {
            return Err("interleaved packets are not supported: use packetization-mode 0 or 1");
        }
        self.parameter_sets = decode_sets(fmtp.get("sprop-parameter-sets"));
        let sets = h264::find_sets(&self.parameter_sets)
            .map(|(sps, pps)| h264::ParameterSets::parse(sps.clone(), pps.clone()));
        self.codec = Codec::H264(sets.and_then(Result::ok).map(Arc::new));
        Ok(self)
    }

    fn with_h265(mut self, fmtp: Parameters<'_>) -> Result<Self, &'static str> {
        self.check_video_clock()?;
        if fmtp.number("sprop-max-don-diff") != Some(0) {
            return Err("interleaved packets are not supported: use sprop-max-don-diff 0");
        }
        self.parameter_sets = ["sprop-vps", "sprop-sps", "sprop-pps"]
            .iter()
            .flat_map(|name| decode_sets(fmtp.get(name)))
            .collect();
        let sets = h265::find_sets(&self.parameter_sets).map(|(vps, sps, pps)| {
            h265::ParameterSets::parse(vps.clone(), sps.clone(), pps.clone())
        });
        self.codec = Codec::H265(sets.and_then(Result::ok).map(Arc::new));
        Ok(self)
    }

    fn check_video_clock(&self) -> Result<(), &'static str> {
        if self.clock_rate == 90_000 { Ok(()) } else { Err("its clock must run at 90000 Hz") }
    }

    fn with_aac(mut self, fmtp: Parameters<'_>, map: &RtpMap<'_>) -> Result<Self, &'static str> {
        let config = fmtp
            .get("config")
            .and_then(decode_hex)
            .ok_or("it needs a config= with the AudioSpecificConfig in hex")?;
        let parsed = AudioSpecificConfig::parse(&config)
            .ok_or("its AudioSpecificConfig (config=) cannot be read")?;
        self.au_headers =
            au_headers(fmtp).ok_or("its AU headers are not those of AAC-hbr or AAC-lbr")?;
        let channels = map.channels.unwrap_or(parsed.channels);
        self.codec = Codec::Aac(Aac { config, rate: parsed.rate, channels });
        Ok(self)
    }

    fn with_opus(mut self, fmtp: Parameters<'_>, map: &RtpMap<'_>) -> Result<Self, &'static str> {
        if map.clock_rate != 48_000 || map.channels.is_some_and(|n| n > 2) {
            return Err("it must be opus/48000/2 (RFC 7587)");
        }
        let mono = map.channels == Some(1) || fmtp.get("sprop-stereo") == Some("0");
        self.codec = Codec::Opus { channels: if mono { 1 } else { 2 } };
        Ok(self)
    }

    fn with_g711(mut self, law: G711Law, map: &RtpMap<'_>) -> Self {
        self.codec =
            Codec::G711 { law, rate: map.clock_rate, channels: map.channels.unwrap_or(1).max(1) };
        self
    }
}

/// Payload types with a meaning of their own (RFC 3551 §6): the two that are carried, and others
/// that deserve their name in an error.
fn static_map(payload_type: u8) -> Option<RtpMap<'static>> {
    let (encoding, clock_rate) = match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        8 => ("PCMA", 8000),
        9 => ("G722", 8000),
        10 | 11 => ("L16", 44_100),
        14 => ("MPA", 90_000),
        18 => ("G729", 8000),
        26 => ("JPEG", 90_000),
        32 => ("MPV", 90_000),
        33 => ("MP2T", 90_000),
        34 => ("H263", 90_000),
        _ => return None,
    };
    Some(RtpMap { encoding, clock_rate, channels: None })
}

/// Base64 between commas; what cannot be read is left out, since the stream brings its sets in band
/// anyway.
fn decode_sets(value: Option<&str>) -> Vec<Bytes> {
    let sets = value.unwrap_or("").split(',').filter_map(|set| BASE64.decode(set.trim()).ok());
    sets.filter(|set| !set.is_empty()).map(Bytes::from).take(MAX_SETS).collect()
}

fn decode_hex(value: &str) -> Option<Bytes> {
    let digits: Option<Vec<u8>> = value.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|d| !d.is_empty() && d.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// `None` if the headers hold more than a size and an index.
fn au_headers(fmtp: Parameters<'_>) -> Option<AuHeaders> {
    let other = [
        "constantSize",
        "CTSDeltaLength",
        "DTSDeltaLength",
        "randomAccessIndication",
        "streamStateIndication",
        "auxiliaryDataSizeLength",
    ];
    if other.iter().any(|name| fmtp.number(name) != Some(0)) {
        return None;
    }
    let width = |name| u8::try_from(fmtp.number(name)?).ok().filter(|n| *n <= 16);
    // Those who leave everything away mean AAC-hbr.
    if fmtp.get("sizeLength").is_none() {
        return Some(AuHeaders::default());
    }
    let size = width("sizeLength").filter(|n| *n > 0)?;
    Some(AuHeaders { size, index: width("indexLength")?, index_delta: width("indexDeltaLength")? })
}
