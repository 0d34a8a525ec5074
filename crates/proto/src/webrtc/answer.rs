//! What browsers are answered (RFC 8829 §5.3): one camera, sent or received over one transport.

use super::{
    offer::{Format, Offer, Section},
    send_negotiation::NegotiatedFormats,
};
use crate::{
    rtp::{CAPTURE_TIME, PLAYOUT_DELAY, TRANSPORT_SEQUENCE},
    webrtc::{Certificate, Session},
};
use media::MediaKind;
use std::fmt::Write as _;

/// Feedback that is understood, of what a browser offers.
const FEEDBACK: [&str; 5] = ["nack", "nack pli", "ccm fir", "transport-cc", "rrtr"];
/// Extensions that are sent, of what a browser offers.
const EXTENSIONS: [&str; 3] = [CAPTURE_TIME, PLAYOUT_DELAY, TRANSPORT_SEQUENCE];
/// Feedback that is given to a publisher, of what it takes.
const FEEDBACK_GIVEN: [&str; 3] = ["nack", "nack pli", "transport-cc"];
/// Extensions that are understood of a publisher.
const EXTENSIONS_READ: [&str; 2] = [CAPTURE_TIME, TRANSPORT_SEQUENCE];
/// Names this sender in RTCP and SDP; nothing depends on it.
pub const CNAME: &str = "neverblink";

/// Source numbers of one track (RFC 3550 §8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrackSsrcs {
    /// Of its packets.
    pub media: u32,
    /// Of its retransmissions.
    pub repair: u32,
}

impl TrackSsrcs {
    /// Random ones, which collide with no others by chance (RFC 3550 §8.1).
    pub fn random() -> Self {
        let media = fastrand::u32(1..u32::MAX);
        Self { media, repair: media + 1 }
    }
}

/// Writes the answer: of picture and sound that are sent from `sources`, or, without such,
/// received. Sections other than the chosen ones are refused.
pub fn write(
    offer: &Offer,
    choice: &NegotiatedFormats,
    sources: Option<(TrackSsrcs, TrackSsrcs)>,
    session: &Session,
    certificate: &Certificate,
) -> String {
    let chosen = |kind| match kind {
        MediaKind::Video => (choice.video.as_ref(), sources.map(|s| s.0)),
        MediaKind::Audio => (choice.audio.as_ref(), sources.map(|s| s.1)),
    };
    let is_first = |s: &Section| {
        s.kind.is_some_and(|k| offer.section(k).is_some_and(|first| std::ptr::eq(first, s)))
    };
    let format = |s: &Section| s.kind.filter(|_| is_first(s)).and_then(|k| chosen(k).0);
    let mut out = String::with_capacity(2048);
    let _ = write!(
        out,
        "v=0\r\no=- {} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
        u64::from(fastrand::u32(1..))
    );
    let bundled: Vec<&str> = offer
        .sections
        .iter()
        .filter(|s| format(s).is_some())
        .filter_map(|s| s.mid.as_deref())
        .collect();
    let _ = write!(out, "a=group:BUNDLE {}\r\na=msid-semantic: WMS {CNAME}\r\n", bundled.join(" "));
    for section in &offer.sections {
        match (format(section), section.kind) {
            (Some(format), Some(kind)) => {
                accept(&mut out, section, format, chosen(kind).1);
                transport(&mut out, session, certificate);
            }
            _ => refuse(&mut out, section),
        }
    }
    out
}

fn refuse(out: &mut String, section: &Section) {
    let format = section.formats.first().map_or(0, |f| f.payload_type);
    let _ =
        write!(out, "m={} 0 {} {format}\r\nc=IN IP4 0.0.0.0\r\n", section.media, section.protocol);
    mid(out, section);
    out.push_str("a=inactive\r\n");
}

fn mid(out: &mut String, section: &Section) {
    if let Some(mid) = &section.mid {
        let _ = write!(out, "a=mid:{mid}\r\n");
    }
}

fn accept(out: &mut String, section: &Section, format: &Format, sources: Option<TrackSsrcs>) {
    let types = format.rtx.map_or_else(
        || format.payload_type.to_string(),
        |rtx| format!("{} {rtx}", format.payload_type),
    );
    let _ = write!(
        out,
        "m={} 9 {} {types}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n",
        section.media, section.protocol
    );
    mid(out, section);
    let (direction, extensions, feedback) = match sources {
        Some(_) => ("sendonly", &EXTENSIONS[..], &FEEDBACK[..]),
        None => ("recvonly", &EXTENSIONS_READ[..], &FEEDBACK_GIVEN[..]),
    };
    let _ = write!(out, "a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n");
    for (name, id) in extensions.iter().filter_map(|name| Some((name, section.extension(name)?))) {
        let _ = write!(out, "a=extmap:{id} {name}\r\n");
    }
    describe(out, format, feedback);
    let Some(TrackSsrcs { media, repair }) = sources else { return };
    let _ = write!(out, "a=msid:{CNAME} {}\r\n", section.media);
    // The first source is the one that is shown.
    let group =
        format.rtx.map(|_| format!("a=ssrc-group:FID {media} {repair}\r\n")).unwrap_or_default();
    let _ = write!(out, "{group}a=ssrc:{media} cname:{CNAME}\r\n");
    if format.rtx.is_some() {
        let _ = write!(out, "a=ssrc:{repair} cname:{CNAME}\r\n");
    }
}

fn describe(out: &mut String, format: &Format, known: &[&str]) {
    let Format { payload_type: id, encoding, clock, channels, fmtp, rtx, feedback } = format;
    let channels = channels.map(|n| format!("/{n}")).unwrap_or_default();
    let _ = write!(out, "a=rtpmap:{id} {encoding}/{clock}{channels}\r\n");
    if !fmtp.is_empty() {
        let _ = write!(out, "a=fmtp:{id} {fmtp}\r\n");
    }
    for kind in feedback.iter().filter(|f| known.contains(&f.as_str())) {
        let _ = write!(out, "a=rtcp-fb:{id} {kind}\r\n");
    }
    if let Some(rtx) = rtx {
        let _ = write!(out, "a=rtpmap:{rtx} rtx/{clock}\r\na=fmtp:{rtx} apt={id}\r\n");
    }
}

fn transport(out: &mut String, session: &Session, certificate: &Certificate) {
    let credentials = session.credentials();
    let _ = write!(
        out,
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\n",
        credentials.ufrag, credentials.password
    );
    let _ = write!(out, "a=fingerprint:{}\r\na=setup:passive\r\n", certificate.fingerprint());
    session.candidates().iter().for_each(|line| {
        let _ = write!(out, "a={line}\r\n");
    });
    out.push_str("a=end-of-candidates\r\n");
}

#[cfg(test)]
mod tests {
    use super::{super::offer::tests::CHROMIUM, *};
    use crate::webrtc::Transport;
    use std::time::Instant;

    #[expect(
        clippy::disallowed_methods,
        reason = "std makes an Instant in no other way, and which one it is does not matter"
    )]
    fn answer(offer: &str) -> String {
        let offer = Offer::parse(offer).unwrap();
        let choice = NegotiatedFormats::new(&offer, None).unwrap();
        let certificate = Certificate::generate().unwrap();
        let locals = [
            (Transport::Udp, ([192, 0, 2, 1], 8189).into()),
            (Transport::Tcp, ([192, 0, 2, 1], 8189).into()),
        ];
        let session = Session::accept(Instant::now(), &certificate, &offer.remote, &locals);
        let sources = (TrackSsrcs { media: 1, repair: 2 }, TrackSsrcs { media: 3, repair: 4 });
        write(&offer, &choice, Some(sources), &session, &certificate)
    }

    #[test]
    fn answers_chromium() {
        let answer = answer(CHROMIUM);
        for line in [
            "a=group:BUNDLE 0 1",
            "m=video 9 UDP/TLS/RTP/SAVPF 109 114",
            "a=rtpmap:109 H264/90000",
            "a=fmtp:114 apt=109",
            "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            "a=extmap:14 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            "a=ssrc-group:FID 1 2",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
            "a=rtpmap:111 opus/48000/2",
            "a=ssrc:3 cname:neverblink",
            "a=setup:passive",
            "a=sendonly",
        ] {
            assert!(answer.lines().any(|l| l == line), "{line} is missing in\n{answer}");
        }
        assert!(
            answer.contains("tcp")
                && answer.contains(" 192.0.2.1 8189 typ host tcptype passive\r\n"),
            "{answer}"
        );
        assert!(!answer.contains("toffset"), "{answer}");
        assert!(str0m::change::SdpAnswer::from_sdp_string(&answer).is_ok());
    }

    #[test]
    fn refuses_what_is_not_chosen_in_its_place() {
        let two =
            CHROMIUM.replace("m=audio", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x\r\nm=audio");
        let answer = answer(&two);
        let media: Vec<_> = answer.lines().filter(|l| l.starts_with("m=")).collect();
        assert_eq!(media[1], "m=video 0 UDP/TLS/RTP/SAVPF 96");
        assert_eq!(media.len(), 3);
        assert!(answer.contains("a=group:BUNDLE 0 1\r\n"), "{answer}");
    }
}
