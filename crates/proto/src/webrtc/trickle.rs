//! What browsers send after the offer: candidates, and new ICE credentials (RFC 8840, RFC 9725
//! §4.3).

use super::sdp_line::attribute;
use crate::webrtc::Credentials;

/// Candidates beyond this many are of no more use.
const MAX_CANDIDATES: usize = 64;

/// An SDP fragment, `application/trickle-ice-sdpfrag`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TrickleFragment {
    /// User name fragment and password.
    pub credentials: Option<Credentials>,
    /// As they stand behind `a=`.
    pub candidates: Vec<String>,
}

impl TrickleFragment {
    /// Reads a fragment, or the same lines of a whole offer.
    pub fn parse(text: &str) -> Self {
        let first = |name| text.lines().find_map(|l| attribute(l, name));
        let credentials = first("ice-ufrag").zip(first("ice-pwd"));
        let candidates = text
            .lines()
            .filter(|l| attribute(l, "candidate").is_some())
            .filter_map(|l| l.trim_end().strip_prefix("a="));
        Self {
            credentials: credentials.map(|(ufrag, password)| Credentials {
                ufrag: ufrag.into(),
                password: password.into(),
            }),
            candidates: candidates.take(MAX_CANDIDATES).map(str::to_owned).collect(),
        }
    }
}

/// What the answer to an ICE restart says, as a fragment. `section` is the beginning of the media
/// section that carries the transport.
pub fn write(section: &str, credentials: &Credentials, candidates: &[String]) -> String {
    let Credentials { ufrag, password } = credentials;
    let mut out = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n{section}");
    candidates.iter().for_each(|c| out.push_str(&format!("a={c}\r\n")));
    out.push_str("a=end-of-candidates\r\n");
    out
}

/// The beginning of an answer's first media section, by which a fragment names it (RFC 8840 §4.2).
pub fn first_section(answer: &str) -> String {
    let media = answer.lines().find(|l| l.starts_with("m=")).unwrap_or_default();
    let mid = answer.lines().find_map(|l| attribute(l, "mid")).unwrap_or("0");
    format!("{media}\r\na=mid:{mid}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_candidates_and_credentials() {
        let f = TrickleFragment::parse(
            "a=ice-ufrag:u1\r\na=ice-pwd:p1\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n",
        );
        assert_eq!(f.credentials, Some(Credentials { ufrag: "u1".into(), password: "p1".into() }));
        assert_eq!(f.candidates, ["candidate:1 1 udp 1 192.0.2.1 9 typ host"]);
        assert_eq!(TrickleFragment::parse("nonsense"), TrickleFragment::default());
    }

    #[test]
    fn the_answer_to_a_restart() {
        let section = first_section(
            "v=0\r\nm=video 9 X 96\r\na=mid:7\r\na=ice-ufrag:u\r\nm=audio 9 X 0\r\na=mid:8\r\n",
        );
        let local = Credentials { ufrag: "u".into(), password: "p".into() };
        let f = write(&section, &local, &["candidate:1 a".into()]);
        assert_eq!(
            f,
            "a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=video 9 X 96\r\na=mid:7\r\na=candidate:1 a\r\na=end-of-candidates\r\n"
        );
    }
}
