//! What browsers send after the offer: candidates, and new ICE credentials (RFC 8840, RFC 9725 §4.3).

use super::text::attribute;

/// Candidates beyond this many are of no more use.
const MAX_CANDIDATES: usize = 64;

/// An SDP fragment, `application/trickle-ice-sdpfrag`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Fragment {
    /// User name fragment and password.
    pub(super) credentials: Option<(String, String)>,
    /// As they stand behind `a=`.
    pub(super) candidates: Vec<String>,
}

impl Fragment {
    /// Reads a fragment, or the same lines of a whole offer.
    pub(super) fn parse(text: &str) -> Self {
        let first = |name| text.lines().find_map(|l| attribute(l, name));
        let credentials = first("ice-ufrag").zip(first("ice-pwd"));
        let candidates =
            text.lines().filter(|l| attribute(l, "candidate").is_some()).filter_map(|l| l.trim_end().strip_prefix("a="));
        Self {
            credentials: credentials.map(|(ufrag, password)| (ufrag.into(), password.into())),
            candidates: candidates.take(MAX_CANDIDATES).map(str::to_owned).collect(),
        }
    }
}

/// `offer` with other credentials, and without candidates, which belong to the old ones.
pub(super) fn with_credentials(offer: &str, ufrag: &str, password: &str) -> String {
    let mut out = String::with_capacity(offer.len());
    for line in offer.lines().filter(|l| attribute(l, "candidate").is_none()) {
        if attribute(line, "ice-ufrag").is_some() {
            out.push_str(&format!("a=ice-ufrag:{ufrag}"));
        } else if attribute(line, "ice-pwd").is_some() {
            out.push_str(&format!("a=ice-pwd:{password}"));
        } else {
            out.push_str(line);
        }
        out.push_str("\r\n");
    }
    out
}

/// What an answer says of ICE, as a fragment.
pub(super) fn of_answer(answer: &str) -> String {
    let Fragment { credentials, candidates } = Fragment::parse(answer);
    let mut out = String::new();
    if let Some((ufrag, password)) = credentials {
        out.push_str(&format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n"));
    }
    if let Some(media) = answer.lines().find(|l| l.starts_with("m=")) {
        let mid = answer.lines().find_map(|l| attribute(l, "mid")).unwrap_or("0");
        out.push_str(&format!("{media}\r\na=mid:{mid}\r\n"));
    }
    let unique: std::collections::BTreeSet<&String> = candidates.iter().collect();
    unique.into_iter().for_each(|c| out.push_str(&format!("a={c}\r\n")));
    out.push_str("a=end-of-candidates\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::{super::offer::tests::CHROMIUM, *};

    #[test]
    fn reads_candidates_and_credentials() {
        let f = Fragment::parse(
            "a=ice-ufrag:u1\r\na=ice-pwd:p1\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n",
        );
        assert_eq!(f.credentials, Some(("u1".into(), "p1".into())));
        assert_eq!(f.candidates, ["candidate:1 1 udp 1 192.0.2.1 9 typ host"]);
        assert_eq!(Fragment::parse("nonsense"), Fragment::default());
    }

    #[test]
    fn a_restart_changes_every_section_and_nothing_else() {
        let again = with_credentials(CHROMIUM, "new", "secret");
        assert_eq!(again.matches("a=ice-ufrag:new\r\n").count(), 2);
        assert!(!again.contains("abcd"));
        assert_eq!(again.lines().count(), CHROMIUM.lines().count());
    }

    #[test]
    fn an_answer_becomes_a_fragment() {
        let f = of_answer(
            "v=0\r\nm=video 9 X 96\r\na=mid:7\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:1 a\r\nm=audio 9 X 0\r\na=candidate:1 a\r\n",
        );
        assert_eq!(f, "a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=video 9 X 96\r\na=mid:7\r\na=candidate:1 a\r\na=end-of-candidates\r\n");
    }
}
