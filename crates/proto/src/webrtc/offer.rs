//! What a browser offers (RFC 8866, RFC 8829), as far as whoever sends one camera, or receives one,
//! must know it.

use super::sdp_line::attribute;
use crate::webrtc::{Credentials, Fingerprint, Remote};
use media::MediaKind;

/// Media sections beyond this many are ignored; a page that plays one camera has two.
const MAX_SECTIONS: usize = 16;
/// Payload types beyond this many in a section are ignored; the field has seven bits.
const MAX_FORMATS: usize = 128;
/// Header extensions beyond this many in a section are ignored; the short form has fourteen
/// numbers.
const MAX_EXTENSIONS: usize = 64;
/// Kinds of feedback beyond this many of a format are ignored; browsers offer six.
const MAX_FEEDBACK: usize = 16;

/// What a browser offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// All `m=` sections, in their order.
    pub sections: Vec<Section>,
    /// Who it is; the same for all sections, which share one transport (RFC 9143).
    pub remote: Remote,
}

/// One `m=` section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// `None` for what is neither picture nor sound, such as data channels.
    pub kind: Option<MediaKind>,
    /// The first word of the `m=` line.
    pub media: String,
    /// The third word of the `m=` line.
    pub protocol: String,
    /// `a=mid`, which names the section (RFC 5888).
    pub mid: Option<String>,
    /// Header extensions: number and name (RFC 8285 §5).
    pub extensions: Vec<(u8, String)>,
    /// What the browser can receive or send, in its order of preference.
    pub formats: Vec<Format>,
    /// The browser is ready to send (RFC 8866 §6.7).
    pub sends: bool,
}

/// One payload type.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Format {
    /// The number in RTP headers (RFC 3550 §5.1).
    pub payload_type: u8,
    /// Encoding name as written, e.g. `H264`.
    pub encoding: String,
    /// RTP clock rate in Hz.
    pub clock: u32,
    /// Channels of sound, if given.
    pub channels: Option<u8>,
    /// Format parameters as written.
    pub fmtp: String,
    /// Payload type for retransmissions of this one (RFC 4588).
    pub rtx: Option<u8>,
    /// Kinds of feedback that the browser can give (RFC 4585 §4.2).
    pub feedback: Vec<String>,
}

/// Why an offer cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OfferError {
    /// Not SDP, or no media.
    #[error("the offer has no media section")]
    NoMedia,
    /// Nothing can be encrypted without these.
    #[error("the offer has no {0} line")]
    Missing(&'static str),
    /// Of a kind that no browser of this decade sends.
    #[error("the offer's fingerprint is not a SHA-256 one")]
    Fingerprint,
}

impl Offer {
    /// Reads an offer; what it does not know it passes over.
    ///
    /// # Errors
    /// If there is no media section, or the lines that a WebRTC session needs are missing.
    pub fn parse(sdp: &str) -> Result<Self, OfferError> {
        let remote = remote(sdp)?;
        let mut sections: Vec<Section> = Vec::new();
        for line in sdp.lines() {
            match line.strip_prefix("m=") {
                Some(media) if sections.len() < MAX_SECTIONS => {
                    sections.push(Section::parse(media));
                }
                Some(_) => break,
                None => sections.last_mut().into_iter().for_each(|section| section.read(line)),
            }
        }
        sections.iter_mut().for_each(Section::link_rtx);
        if sections.is_empty() { Err(OfferError::NoMedia) } else { Ok(Self { sections, remote }) }
    }

    /// The first section of a kind, the one that is answered.
    pub fn section(&self, kind: MediaKind) -> Option<&Section> {
        self.sections.iter().find(|s| s.kind == Some(kind))
    }

    /// What the browser can receive of `kind`; empty if it did not ask for any.
    pub fn formats(&self, kind: MediaKind) -> &[Format] {
        self.section(kind).map_or(&[], |s| &s.formats)
    }

    /// The encodings offered for `kind`, for people.
    pub fn encodings(&self, kind: MediaKind) -> String {
        let mut names: Vec<&str> = Vec::new();
        for format in self.formats(kind) {
            if !names.contains(&format.encoding.as_str()) {
                names.push(&format.encoding);
            }
        }
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }
}

fn remote(sdp: &str) -> Result<Remote, OfferError> {
    let value =
        |name| sdp.lines().find_map(|l| attribute(l, name)).ok_or(OfferError::Missing(name));
    let credentials = Credentials {
        ufrag: value("ice-ufrag")?.to_owned(),
        password: value("ice-pwd")?.to_owned(),
    };
    value("fingerprint")?;
    let fingerprint =
        sdp.lines().filter_map(|l| attribute(l, "fingerprint")).find_map(Fingerprint::parse);
    Ok(Remote { credentials, fingerprint: fingerprint.ok_or(OfferError::Fingerprint)? })
}

impl Section {
    /// From the value of an `m=` line: `video 9 UDP/TLS/RTP/SAVPF 96 97`.
    fn parse(media: &str) -> Self {
        let mut words = media.split_ascii_whitespace();
        let media = words.next().unwrap_or_default();
        let kind = match media {
            "video" => Some(MediaKind::Video),
            "audio" => Some(MediaKind::Audio),
            _ => None,
        };
        let protocol = words.nth(1).unwrap_or_default();
        let types = words.filter_map(|w| w.parse().ok()).take(MAX_FORMATS);
        Self {
            kind,
            media: media.into(),
            protocol: protocol.into(),
            mid: None,
            extensions: Vec::new(),
            formats: types.map(Format::of_type).collect(),
            sends: true,
        }
    }

    /// The number of a header extension, if the browser offers it with one of the short form (RFC
    /// 8285 §4.2).
    pub fn extension(&self, name: &str) -> Option<u8> {
        self.extensions.iter().find(|(_, n)| n == name).map(|(id, _)| *id)
    }

    fn read_extension(&mut self, value: &str) {
        let Some((id, name)) = value.split_once(' ') else { return };
        // The number may carry a direction: `3/sendonly`.
        let id =
            id.split('/').next().and_then(|id| id.parse().ok()).filter(|id| (1..=14).contains(id));
        if let Some(id) = id.filter(|_| self.extensions.len() < MAX_EXTENSIONS) {
            self.extensions.push((id, name.split(' ').next().unwrap_or_default().into()));
        }
    }

    fn read(&mut self, line: &str) {
        if let Some((format, map)) = attribute(line, "rtpmap").and_then(|v| self.format(v)) {
            format.read_map(map);
        } else if let Some((format, params)) = attribute(line, "fmtp").and_then(|v| self.format(v))
        {
            format.fmtp = params.into();
        } else if let Some((format, kind)) = attribute(line, "rtcp-fb").and_then(|v| self.format(v))
        {
            if format.feedback.len() < MAX_FEEDBACK {
                format.feedback.push(kind.into());
            }
        } else if let Some(value) = attribute(line, "extmap") {
            self.read_extension(value);
        } else if let Some(mid) = attribute(line, "mid") {
            self.mid = Some(mid.into());
        } else if matches!(line.trim_end(), "a=recvonly" | "a=inactive") {
            self.sends = false;
        }
    }

    /// Splits `96 rest` into the format with payload type 96 and the rest.
    fn format<'a>(&mut self, value: &'a str) -> Option<(&mut Format, &'a str)> {
        let (payload_type, rest) = value.split_once(' ')?;
        let payload_type: u8 = payload_type.parse().ok()?;
        let format = self.formats.iter_mut().find(|f| f.payload_type == payload_type)?;
        Some((format, rest.trim()))
    }

    /// Moves retransmission formats into the ones they repair.
    fn link_rtx(&mut self) {
        let repairs: Vec<(u8, u8)> =
            self.formats.iter().filter_map(|f| Some((f.repaired()?, f.payload_type))).collect();
        self.formats.retain(|f| f.repaired().is_none());
        for format in &mut self.formats {
            format.rtx =
                repairs.iter().find(|(of, _)| *of == format.payload_type).map(|(_, rtx)| *rtx);
        }
    }
}

impl Format {
    /// The static payload types (RFC 3551 §6) need no `rtpmap` line.
    fn of_type(payload_type: u8) -> Self {
        let encoding = match payload_type {
            0 => "PCMU",
            8 => "PCMA",
            _ => "",
        };
        Self { payload_type, encoding: encoding.into(), clock: 8000, ..Self::default() }
    }

    fn read_map(&mut self, map: &str) {
        let mut parts = map.split('/');
        self.encoding = parts.next().unwrap_or_default().into();
        self.clock = parts.next().and_then(|c| c.parse().ok()).unwrap_or_default();
        self.channels = parts.next().and_then(|c| c.parse().ok());
    }

    fn repaired(&self) -> Option<u8> {
        self.encoding.eq_ignore_ascii_case("rtx").then(|| self.parameter("apt")?.parse().ok())?
    }

    /// The value of one format parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.fmtp.split(';').filter_map(|p| p.trim().split_once('='));
        pairs.into_iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
    }
}

#[cfg(test)]
pub(in crate::webrtc) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The shape of what Chromium 156 sends for one video and one audio transceiver that only
    /// receive.
    pub(in crate::webrtc) const CHROMIUM: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
a=msid-semantic: WMS\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 108 109 114 115 116 39 40\r\nc=IN IP4 0.0.0.0\r\n\
a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\n\
a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\n\
a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:toffset\r\n\
a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\na=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=extmap:14 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n\
a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
a=rtpmap:103 H264/90000\r\na=rtcp-fb:103 nack\r\na=rtcp-fb:103 nack pli\r\n\
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\na=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\n\
a=rtpmap:107 H264/90000\r\na=fmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f\r\n\
a=rtpmap:108 rtx/90000\r\na=fmtp:108 apt=107\r\na=rtpmap:109 H264/90000\r\n\
a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:114 rtx/90000\r\na=fmtp:114 apt=109\r\n\
a=rtpmap:39 H264/90000\r\na=fmtp:39 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f\r\n\
a=rtpmap:40 rtx/90000\r\na=fmtp:40 apt=39\r\na=rtpmap:115 H264/90000\r\n\
a=fmtp:115 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f4001f\r\na=rtpmap:116 rtx/90000\r\na=fmtp:116 apt=115\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\n\
a=setup:actpass\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";

    #[test]
    fn reads_chromium() {
        let offer = Offer::parse(CHROMIUM).unwrap();
        assert_eq!(offer.encodings(MediaKind::Video), "VP8, H264");
        assert_eq!(offer.encodings(MediaKind::Audio), "opus, PCMU, PCMA");
        let h264 = offer.formats(MediaKind::Video).iter().find(|f| f.payload_type == 109).unwrap();
        assert_eq!((h264.rtx, h264.parameter("Profile-Level-Id")), (Some(114), Some("42e01f")));
        assert_eq!(offer.formats(MediaKind::Audio)[0].channels, Some(2));
        assert_eq!(offer.formats(MediaKind::Video)[1].feedback, ["nack", "nack pli"]);
        let video = offer.section(MediaKind::Video).unwrap();
        assert_eq!((video.mid.as_deref(), &*video.protocol), (Some("0"), "UDP/TLS/RTP/SAVPF"));
        assert_eq!(
            video.extension("http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"),
            Some(5)
        );
        assert_eq!(offer.remote.credentials.ufrag, "abcd");
    }

    #[test]
    fn says_what_is_missing() {
        let error = |sdp: &str| Offer::parse(sdp).unwrap_err();
        assert_eq!(error("v=0\r\n"), OfferError::Missing("ice-ufrag"));
        assert_eq!(error(&CHROMIUM.replace("m=", "x=")), OfferError::NoMedia);
        assert_eq!(error(&CHROMIUM.replace("sha-256", "sha-1")), OfferError::Fingerprint);
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0usize..CHROMIUM.len(), noise in "\\PC{0,40}") {
            let _ = Offer::parse(&format!("{}{noise}{}", &CHROMIUM[..cut], &CHROMIUM[cut..]));
            let _ = Offer::parse(&CHROMIUM[cut..]);
        }
    }
}
