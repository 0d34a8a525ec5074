//! Which of the formats that a publisher offers are taken.

use super::{
    offer::{Format, Offer, Section},
    send_negotiation::NegotiatedFormats,
};
use crate::{
    rtp::{
        CAPTURE_TIME, TRANSPORT_SEQUENCE,
        ingest::{Lane, Numbers},
    },
    sdp,
};
use media::{Codec, MediaKind};

/// Highest level of H.264 that is asked for (5.2, which is 2160p at 60 fps): nothing is decoded
/// here, so it is the sender's choice.
const LEVEL: &str = "34";

/// What is taken of an offer.
pub struct ReceiveNegotiation {
    /// For the answer.
    pub choice: NegotiatedFormats,
    /// How packets are to be read: the picture first.
    pub lanes: Vec<Lane>,
    /// Numbers of the header extensions.
    pub numbers: Numbers,
}

/// Nothing can be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReceiveRefusal {
    /// No section sends.
    #[error("this offer sends neither picture nor sound")]
    Nothing,
    /// No format of the picture is understood.
    #[error("the publisher sends its picture as {0} only, and H.264 or H.265 is needed")]
    Picture(String),
    /// No format of the sound is understood.
    #[error("the publisher sends its sound as {0} only, and Opus or G.711 is needed")]
    Sound(String),
}

impl ReceiveNegotiation {
    /// Chooses what is carried on to viewers as it is.
    ///
    /// # Errors
    /// If there is nothing. A picture that cannot be taken is not made up for by sound that can.
    pub fn of(offer: &Offer) -> Result<Self, ReceiveRefusal> {
        let section = |kind| offer.section(kind).filter(|section| section.sends);
        let (video, audio) = (section(MediaKind::Video), section(MediaKind::Audio));
        let picture = video.map(|section| {
            best(section).ok_or_else(|| ReceiveRefusal::Picture(offer.encodings(MediaKind::Video)))
        });
        let picture = picture.transpose()?;
        let sound = audio.and_then(best);
        let choice = NegotiatedFormats {
            video: picture.as_ref().map(|(format, _)| with_level(format)),
            audio: sound.as_ref().map(|(format, _)| (*format).clone()),
        };
        let lanes: Vec<Lane> =
            [picture, sound].into_iter().flatten().map(|(_, lane)| lane).collect();
        match (lanes.is_empty(), audio) {
            (false, _) => Ok(Self { choice, lanes, numbers: numbers([video, audio]) }),
            (true, Some(_)) => Err(ReceiveRefusal::Sound(offer.encodings(MediaKind::Audio))),
            (true, None) => Err(ReceiveRefusal::Nothing),
        }
    }
}

/// The format that is liked best, the sender's favourite among equals.
fn best(section: &Section) -> Option<(&Format, Lane)> {
    let scored = section.formats.iter().rev().filter_map(|format| {
        let lane = lane(section, format)?;
        Some((score(format, &lane.format.codec)?, format, lane))
    });
    scored.max_by_key(|(score, ..)| *score).map(|(_, format, lane)| (format, lane))
}

/// How well a codec is liked: by how many browsers can show it, and hear it.
fn score(format: &Format, codec: &Codec) -> Option<u32> {
    match codec {
        Codec::H264(_) if format.parameter("packetization-mode") == Some("1") => Some(3),
        Codec::H264(_) | Codec::Opus { .. } => Some(2),
        Codec::H265(_) | Codec::G711 { .. } => Some(1),
        _ => None,
    }
}

fn lane(section: &Section, format: &Format) -> Option<Lane> {
    let channels = format.channels.map(|n| format!("/{n}")).unwrap_or_default();
    let map = format!("{}/{}{channels}", format.encoding, format.clock);
    let read = sdp::Format::of(&section.media, format.payload_type, &map, &format.fmtp).ok()?;
    let gives = |feedback: &str| format.feedback.iter().any(|f| f == feedback);
    Some(Lane { format: read, rtx: format.rtx, nack: gives("nack"), pli: gives("nack pli") })
}

/// The numbers are the same in all sections, which share one transport (RFC 9143 §9).
fn numbers(sections: [Option<&Section>; 2]) -> Numbers {
    let number = |name| sections.into_iter().flatten().find_map(|section| section.extension(name));
    Numbers { transport_sequence: number(TRANSPORT_SEQUENCE), capture_time: number(CAPTURE_TIME) }
}

/// Browsers offer H.264 at level 3.1, which is 720p, and hold themselves to the level of the
/// answer. Where both sides may have levels of their own (RFC 6184 §8.1,
/// `level-asymmetry-allowed`), the answer's is ours.
fn with_level(format: &Format) -> Format {
    let mut format = format.clone();
    let asymmetric = format.parameter("level-asymmetry-allowed") == Some("1");
    let id = format
        .parameter("profile-level-id")
        .filter(|id| asymmetric && id.len() == 6)
        .map(str::to_owned);
    if let Some((id, profile)) = id.as_deref().and_then(|id| Some((id, id.get(..4)?))) {
        format.fmtp = format.fmtp.replace(id, &format!("{profile}{LEVEL}"));
    }
    format
}

#[cfg(test)]
mod tests {
    use super::{super::offer::tests::CHROMIUM, *};

    fn offer(change: impl Fn(&str) -> String) -> Offer {
        Offer::parse(&change(&CHROMIUM.replace("a=recvonly", "a=sendonly"))).unwrap()
    }

    fn taken(change: impl Fn(&str) -> String) -> Result<ReceiveNegotiation, ReceiveRefusal> {
        ReceiveNegotiation::of(&offer(change))
    }

    #[test]
    fn h264_in_fragments_and_opus_are_taken() {
        let ReceiveNegotiation { choice, lanes, numbers } = taken(str::to_owned).unwrap();
        assert_eq!(
            (choice.video.as_ref().unwrap().payload_type, choice.audio.unwrap().payload_type),
            (103, 111)
        );
        assert!(choice.video.unwrap().fmtp.ends_with("profile-level-id=420034"));
        assert_eq!(
            (lanes.len(), lanes[0].rtx, lanes[0].nack, lanes[0].pli),
            (2, Some(104), true, true)
        );
        assert!(!lanes[1].nack && lanes[1].format.codec == Codec::Opus { channels: 2 });
        assert_eq!((numbers.capture_time, numbers.transport_sequence), (Some(14), None));
    }

    #[test]
    fn single_packets_and_h265_do_where_there_is_no_better() {
        let single = taken(|o| o.replace("packetization-mode=1", "packetization-mode=0")).unwrap();
        assert_eq!(single.choice.video.unwrap().payload_type, 103);
        let h265 = taken(|o| o.replace("H264", "H265")).unwrap();
        assert!(matches!(h265.lanes[0].format.codec, Codec::H265(_)));
        let strict =
            taken(|o| o.replace("level-asymmetry-allowed=1", "level-asymmetry-allowed=0")).unwrap();
        assert!(strict.choice.video.unwrap().fmtp.ends_with("profile-level-id=42001f"));
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        let error = |change: fn(&str) -> String| taken(change).err().unwrap().to_string();
        assert!(error(|o| o.replace("H264", "VP9")).contains("VP8, VP9 only"));
        assert!(
            error(|o| o.replace("a=sendonly", "a=recvonly")).contains("neither picture nor sound")
        );
        let sound_alone = |o: &str| o.replace("m=video", "m=application");
        assert_eq!(taken(sound_alone).unwrap().lanes.len(), 1);
        let gsm = |o: &str| {
            o.replace("m=video", "m=application").replace("opus", "GSM").replace("PCM", "X")
        };
        assert!(taken(gsm).err().unwrap().to_string().contains("sound as GSM"));
    }
}
