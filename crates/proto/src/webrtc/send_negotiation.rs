//! Which of the formats that a browser offers a camera's tracks are sent in.

use super::offer::{Format, Offer};
use media::{Catalog, Codec, G711Law, MediaKind};

/// What was chosen. At least one is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NegotiatedFormats {
    /// Of the picture.
    pub video: Option<Format>,
    /// Of the sound.
    pub audio: Option<Format>,
}

/// The camera has nothing that the browser can take.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this camera sends {has}, and the browser takes only {takes}")]
pub struct NoCommonCodec {
    has: String,
    takes: String,
}

impl NegotiatedFormats {
    /// Chooses for what the camera has; for H.264 and Opus, provisionally, while it is not known
    /// what that is.
    ///
    /// # Errors
    /// If nothing fits. A picture that cannot be shown is not made up for by sound that can be
    /// heard.
    pub fn new(offer: &Offer, catalog: Option<&Catalog>) -> Result<Self, NoCommonCodec> {
        let provisional =
            Catalog::new([(Codec::H264(None), 90_000), (Codec::Opus { channels: 2 }, 48_000)]);
        let catalog = catalog.unwrap_or(&provisional);
        let pick = |codec: &Codec| best(offer.formats(codec.kind()), codec).cloned();
        let video = catalog.video().map(|t| pick(&t.codec));
        let audio = catalog.audio().and_then(|t| pick(&t.codec));
        match (video, audio) {
            (Some(Some(video)), audio) => Ok(Self { video: Some(video), audio }),
            (None, Some(audio)) => Ok(Self { video: None, audio: Some(audio) }),
            _ => Err(refusal(offer, catalog)),
        }
    }

    /// True if units of `codec` may be sent in what was chosen for their kind.
    pub fn carries(&self, codec: &Codec) -> bool {
        let chosen = match codec.kind() {
            MediaKind::Video => &self.video,
            MediaKind::Audio => &self.audio,
        };
        chosen.as_ref().is_some_and(|f| score(f, codec).is_some())
    }
}

fn refusal(offer: &Offer, catalog: &Catalog) -> NoCommonCodec {
    let kind = if catalog.video().is_some() { MediaKind::Video } else { MediaKind::Audio };
    let names: Vec<_> = catalog.tracks.iter().map(|t| t.codec.name().to_uppercase()).collect();
    NoCommonCodec { has: names.join(", "), takes: offer.encodings(kind) }
}

/// The format that fits best, the browser's favourite among equals.
fn best<'a>(formats: &'a [Format], codec: &Codec) -> Option<&'a Format> {
    let scored = formats.iter().rev().filter_map(|f| Some((score(f, codec)?, f)));
    scored.max_by_key(|(score, _)| *score).map(|(_, f)| f)
}

/// How well a codec fits a format; `None` if not at all.
fn score(format: &Format, codec: &Codec) -> Option<u32> {
    let is =
        |name: &str, clock| format.encoding.eq_ignore_ascii_case(name) && format.clock == clock;
    let fits = |ok: bool| ok.then_some(1);
    match codec {
        Codec::H264(sets) if is("H264", 90_000) => {
            score_h264(format, sets.as_ref().map(|s| s.profile_level_id()[0]))
        }
        Codec::H265(_) => fits(is("H265", 90_000)),
        Codec::Opus { .. } => fits(is("opus", 48_000)),
        Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 1 } => fits(is("PCMU", 8000)),
        Codec::G711 { law: G711Law::A, rate: 8000, channels: 1 } => fits(is("PCMA", 8000)),
        _ => None,
    }
}

/// Decoders of browsers take every 4:2:0 profile under any payload type, so the profile is a
/// preference, not a condition.
fn score_h264(format: &Format, profile: Option<u8>) -> Option<u32> {
    if format.parameter("packetization-mode") != Some("1") {
        return None;
    }
    let id = format.parameter("profile-level-id").unwrap_or("42001f");
    let offered = u8::from_str_radix(id.get(..2)?, 16).ok()?;
    let constrained = id.get(2..4).is_some_and(|c| c.eq_ignore_ascii_case("e0"));
    match offered {
        p if Some(p) == profile && p != 0x42 => Some(4),
        0x42 if constrained => Some(3),
        0x42 | 0x4d | 0x64 => Some(2),
        _ => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::offer::tests::CHROMIUM, *};
    use bytes::Bytes;
    use media::{VideoParams, h264::ParameterSets};
    use std::sync::Arc;

    fn offer() -> Offer {
        Offer::parse(CHROMIUM).unwrap()
    }

    fn h264(profile: u8) -> Codec {
        let sps = Bytes::from(vec![0x67, profile, 0, 0x1f]);
        let video = VideoParams { width: 1280, height: 720, fps: None, max_reorder: None };
        Codec::H264(Some(Arc::new(ParameterSets { sps, pps: Bytes::from_static(&[0x68]), video })))
    }

    fn video_type(codec: Codec) -> u8 {
        NegotiatedFormats::new(&offer(), Some(&Catalog::new([(codec, 90_000)])))
            .unwrap()
            .video
            .unwrap()
            .payload_type
    }

    #[test]
    fn constrained_baseline_carries_all_that_has_no_better() {
        assert_eq!(video_type(h264(0x42)), 109);
        assert_eq!(video_type(h264(0x64)), 109);
        assert_eq!(video_type(Codec::H264(None)), 109);
        assert_eq!(video_type(h264(0x4d)), 39);
    }

    #[test]
    fn an_unknown_camera_is_provisionally_h264_and_opus() {
        let choice = NegotiatedFormats::new(&offer(), None).unwrap();
        assert_eq!(choice.audio.as_ref().unwrap().payload_type, 111);
        assert!(choice.carries(&h264(0x64)));
        assert!(!choice.carries(&Codec::H265(None)));
        assert!(!choice.carries(&Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 1 }));
    }

    #[test]
    fn a_codec_that_the_browser_lacks_is_named() {
        let error =
            NegotiatedFormats::new(&offer(), Some(&Catalog::new([(Codec::H265(None), 90_000)])))
                .unwrap_err();
        assert_eq!(
            error.to_string(),
            "this camera sends H265, and the browser takes only VP8, H264"
        );
    }

    #[test]
    fn sound_alone_and_sound_that_cannot_go() {
        let mu = Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 1 };
        let choice = NegotiatedFormats::new(&offer(), Some(&Catalog::new([(mu, 8000)]))).unwrap();
        assert_eq!((choice.video, choice.audio.unwrap().payload_type), (None, 0));
        let aac = Codec::Aac(media::Aac { config: Bytes::new(), rate: 48_000, channels: 2 });
        let choice = NegotiatedFormats::new(
            &offer(),
            Some(&Catalog::new([(h264(0x42), 90_000), (aac, 48_000)])),
        )
        .unwrap();
        assert!(choice.video.is_some() && choice.audio.is_none());
    }

    #[test]
    fn packetization_mode_zero_is_never_taken() {
        let only = CHROMIUM.replace("packetization-mode=1", "packetization-mode=0");
        assert!(NegotiatedFormats::new(&Offer::parse(&only).unwrap(), None).is_err());
    }
}
