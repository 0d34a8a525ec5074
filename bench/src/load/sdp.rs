//! As much SDP as a viewer needs that only receives one H.264 stream.

use anyhow::{Context as _, bail};

/// RTP payload type of the pictures in our offer, and of their repairs.
const VIDEO: u8 = 96;
const REPAIR: u8 = 97;
const TRANSPORT_SEQUENCE: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// The values that differ between offers.
pub(super) struct Offer<'a> {
    pub(super) ufrag: &'a str,
    pub(super) password: &'a str,
    /// SHA-256 of the certificate.
    pub(super) fingerprint: &'a str,
}

impl Offer<'_> {
    /// What Chromium offers, as far as it matters to a server that sends H.264, and capture times
    /// as neverblink's page asks for. Without candidates: a browser names none that a server could
    /// resolve, and posts before it has any.
    pub(super) fn text(&self) -> String {
        let Self { ufrag, password, fingerprint } = self;
        [
            "v=0",
            "o=- 1 2 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            "a=extmap-allow-mixed",
            &format!("m=video 9 UDP/TLS/RTP/SAVPF {VIDEO} {REPAIR}"),
            "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
            &format!("a=ice-ufrag:{ufrag}"),
            &format!("a=ice-pwd:{password}"),
            "a=ice-options:trickle",
            &format!("a=fingerprint:sha-256 {fingerprint}"),
            "a=setup:actpass",
            "a=mid:0",
            "a=extmap:1 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            &format!("a=extmap:3 {TRANSPORT_SEQUENCE}"),
            "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
            "a=recvonly",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            &format!("a=rtpmap:{VIDEO} H264/90000"),
            &format!("a=rtcp-fb:{VIDEO} goog-remb"),
            &format!("a=rtcp-fb:{VIDEO} transport-cc"),
            &format!("a=rtcp-fb:{VIDEO} ccm fir"),
            &format!("a=rtcp-fb:{VIDEO} nack"),
            &format!("a=rtcp-fb:{VIDEO} nack pli"),
            &format!("a=fmtp:{VIDEO} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
            &format!("a=rtpmap:{REPAIR} rtx/90000"),
            &format!("a=fmtp:{REPAIR} apt={VIDEO}"),
            "",
        ]
        .join("\r\n")
    }
}

/// The server's answer.
#[derive(PartialEq, Debug)]
pub(super) struct Answer {
    pub(super) ufrag: String,
    pub(super) password: String,
    /// SHA-256 of the server's certificate.
    pub(super) fingerprint: Vec<u8>,
    /// The server begins the DTLS handshake.
    pub(super) server_is_active: bool,
    /// As they stand behind `a=`.
    pub(super) candidates: Vec<String>,
    /// RTP payload type of the pictures.
    pub(super) video: u8,
    /// Identifier of the header extension with the transport-wide sequence number, if feedback on
    /// it was agreed.
    pub(super) transport_sequence: Option<u8>,
}

impl Answer {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = || text.lines().filter_map(|l| l.trim_end().strip_prefix("a="));
        let find = |name: &str| lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        let get =
            |name: &str| find(name).with_context(|| format!("the server's answer has no {name}"));
        if !text.lines().any(|l| l.starts_with("m=video ") && !l.starts_with("m=video 0 ")) {
            bail!("the server's answer has no video");
        }
        let h264 = |l: &str| {
            l.strip_prefix("rtpmap:")?
                .split_once(' ')
                .filter(|(_, c)| c.eq_ignore_ascii_case("H264/90000"))?
                .0
                .parse()
                .ok()
        };
        let extension = |l: &str| {
            l.strip_prefix("extmap:")?
                .split_once(' ')
                .filter(|(_, uri)| uri.trim() == TRANSPORT_SEQUENCE)?
                .0
                .parse()
                .ok()
        };
        let feedback = lines().any(|l| l.starts_with("rtcp-fb:") && l.ends_with(" transport-cc"));
        Ok(Self {
            ufrag: get("ice-ufrag")?.to_owned(),
            password: get("ice-pwd")?.to_owned(),
            fingerprint: fingerprint(get("fingerprint")?)
                .context("the server's fingerprint is not of SHA-256")?,
            server_is_active: get("setup")? == "active",
            candidates: lines()
                .filter(|l| l.starts_with("candidate:"))
                .map(str::to_owned)
                .collect(),
            video: lines().find_map(h264).context("the server's answer has no H.264")?,
            transport_sequence: lines().find_map(extension).filter(|_| feedback),
        })
    }
}

fn fingerprint(text: &str) -> Option<Vec<u8>> {
    let (hash, bytes) = text.split_once(' ')?;
    let bytes: Option<Vec<u8>> =
        bytes.trim().split(':').map(|b| u8::from_str_radix(b, 16).ok()).collect();
    bytes.filter(|b| hash.eq_ignore_ascii_case("sha-256") && b.len() == 32)
}

/// As it stands in SDP.
pub(super) fn show_fingerprint(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> String {
        let fingerprint = show_fingerprint(&[0xab; 32]);
        Offer { ufrag: "abcd", password: "p", fingerprint: &fingerprint }.text()
    }

    #[test]
    fn an_answer_is_read() {
        let passive = offer().replace("actpass", "passive")
            + "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n";
        let answer = Answer::parse(&passive).unwrap();
        assert_eq!((&*answer.ufrag, &*answer.password, answer.video), ("abcd", "p", VIDEO));
        assert_eq!((answer.fingerprint, answer.server_is_active), (vec![0xab; 32], false));
        assert_eq!(answer.candidates, ["candidate:1 1 udp 1 127.0.0.1 9 typ host"]);
        assert_eq!(answer.transport_sequence, Some(3));
        assert!(Answer::parse(&offer().replace("actpass", "active")).unwrap().server_is_active);
    }

    #[test]
    fn what_was_not_agreed_is_not_done_and_what_is_needed_is_missed() {
        let without = offer().replace("a=rtcp-fb:96 transport-cc\r\n", "");
        assert_eq!(Answer::parse(&without).unwrap().transport_sequence, None);
        for (from, to) in
            [("m=video 9", "m=video 0"), ("H264", "VP8"), ("sha-256", "sha-1"), ("ice-pwd", "x")]
        {
            assert!(Answer::parse(&offer().replace(from, to)).is_err(), "{to}");
        }
    }
}
