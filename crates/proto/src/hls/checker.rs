//! An independent reader that holds playlists to the rules of draft-pantos-hls-rfc8216bis. The
//! numbers are its sections.

use std::collections::BTreeMap;

/// A partial segment as listed.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct PartRead {
    pub(super) duration: f64,
    pub(super) uri: String,
    pub(super) independent: bool,
}

/// A segment as listed; the one that is growing has no URI.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct SegmentRead {
    pub(super) uri: Option<String>,
    pub(super) duration: f64,
    pub(super) discontinuity: bool,
    pub(super) map: Option<String>,
    pub(super) date: Option<String>,
    pub(super) parts: Vec<PartRead>,
}

/// A playlist as read.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Read {
    pub(super) target: u64,
    pub(super) part_target: f64,
    pub(super) sequence: u64,
    pub(super) discontinuities: u64,
    pub(super) independent: bool,
    pub(super) control: BTreeMap<String, String>,
    pub(super) skipped: usize,
    pub(super) segments: Vec<SegmentRead>,
    pub(super) hint: String,
}

/// Takes a text apart; whatever is against the grammar of a live media playlist is a panic.
pub(super) fn read(text: &str) -> Read {
    assert!(text.ends_with('\n') && !text.contains('\r'), "lines end with LF");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"), "4.4.1.1: the very first line");
    let (mut read, mut segment, mut once) = (Read::default(), SegmentRead::default(), Vec::new());
    let mut extinf = false;
    for line in lines {
        let Some(tag) = line.strip_prefix('#') else {
            assert!(extinf && !line.is_empty(), "4.4.4.1: every segment has an EXTINF: {line:?}");
            assert!(read.hint.is_empty(), "4.4.5.3: hints are of what follows");
            segment.uri = Some(line.to_owned());
            read.segments.push(std::mem::take(&mut segment));
            extinf = false;
            continue;
        };
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        let attributes = attributes(value);
        let is_header = !matches!(
            name,
            "EXTINF"
                | "EXT-X-DISCONTINUITY"
                | "EXT-X-MAP"
                | "EXT-X-PROGRAM-DATE-TIME"
                | "EXT-X-PART"
        );
        if is_header {
            assert!(!once.contains(&name), "{name} twice");
            assert!(
                name == "EXT-X-PRELOAD-HINT" || read.segments.is_empty(),
                "{name} behind a segment"
            );
            once.push(name);
        }
        match name {
            "EXT-X-VERSION" => assert_eq!(value, "9", "8: EXT-X-SKIP"),
            "EXT-X-TARGETDURATION" => {
                read.target = value.parse().expect("4.4.3.1: a decimal integer");
            }
            "EXT-X-PART-INF" => {
                read.part_target = attributes["PART-TARGET"].parse().expect("seconds");
            }
            "EXT-X-SERVER-CONTROL" => read.control = attributes,
            "EXT-X-MEDIA-SEQUENCE" => read.sequence = value.parse().expect("a number"),
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                read.discontinuities = value.parse().expect("a number");
            }
            "EXT-X-INDEPENDENT-SEGMENTS" => read.independent = true,
            "EXT-X-SKIP" => {
                read.skipped = attributes["SKIPPED-SEGMENTS"].parse().expect("a number");
            }
            "EXTINF" => {
                segment.duration =
                    value.strip_suffix(',').expect("4.4.4.1: a comma").parse().expect("seconds");
                extinf = true;
            }
            "EXT-X-DISCONTINUITY" | "EXT-X-MAP" | "EXT-X-PROGRAM-DATE-TIME" => {
                assert!(segment.parts.is_empty(), "4.4.4.9: {name} before the first part");
                match name {
                    "EXT-X-DISCONTINUITY" => segment.discontinuity = true,
                    "EXT-X-MAP" => segment.map = Some(attributes["URI"].clone()),
                    _ => segment.date = Some(value.to_owned()),
                }
            }
            "EXT-X-PART" => segment.parts.push(PartRead {
                duration: attributes["DURATION"].parse().expect("seconds"),
                uri: attributes["URI"].clone(),
                independent: attributes.get("INDEPENDENT").is_some_and(|v| v == "YES"),
            }),
            "EXT-X-PRELOAD-HINT" => {
                assert_eq!(attributes["TYPE"], "PART");
                read.hint.clone_from(&attributes["URI"]);
            }
            _ => panic!("{name} is not expected here"),
        }
    }
    assert!(!extinf, "an EXTINF without a segment");
    if segment != SegmentRead::default() {
        read.segments.push(segment);
    }
    read
}

/// An attribute list (4.2).
fn attributes(value: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = value;
    while let Some((name, tail)) = rest.split_once('=') {
        let (value, tail) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').expect("a closing quote"),
            None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
        };
        assert!(found.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
        rest = tail.strip_prefix(',').unwrap_or(tail);
    }
    found
}

/// How strictly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Frames come evenly, so that parts can be as long as they should be.
    pub(super) even: bool,
}

impl Read {
    /// The rules that a playlist must keep by itself.
    pub(super) fn check(&self, rules: Rules) {
        let number = |key: &str| self.control[key].parse::<f64>().expect("seconds");
        assert_eq!(self.control["CAN-BLOCK-RELOAD"], "YES");
        assert!(
            number("PART-HOLD-BACK") >= 2.0 * self.part_target - 1e-9,
            "4.4.3.8: twice the part target at least"
        );
        assert!(
            number("CAN-SKIP-UNTIL") >= 6.0 * self.target as f64,
            "4.4.3.8: six target durations at least"
        );
        assert!(self.segments.iter().any(|s| s.uri.is_some()) && !self.hint.is_empty());
        for segment in &self.segments {
            assert!(
                segment.duration.round() as u64 <= self.target,
                "4.4.3.1: {} of {}",
                segment.duration,
                self.target
            );
            assert!(segment.date.is_some());
            self.check_parts(segment, rules);
        }
        self.check_maps();
        let all_begin_with_keys =
            self.segments.iter().filter_map(|s| s.parts.first()).all(|p| p.independent);
        assert!(!self.independent || all_begin_with_keys, "4.4.2.1");
        let open = self.segments.iter().filter(|s| s.uri.is_none()).count();
        assert!(
            open == 0
                || open == 1
                    && self.segments.last().is_some_and(|s| s.uri.is_none() && !s.parts.is_empty())
        );
        assert!(self.parts().all(|p| p.uri != self.hint), "the hint is of what is not there");
    }

    fn check_parts(&self, segment: &SegmentRead, rules: Rules) {
        let listed = segment.parts.len();
        for (i, part) in segment.parts.iter().enumerate() {
            assert!(
                part.duration <= self.part_target + 1e-9,
                "4.4.4.9: {} of {}",
                part.duration,
                self.part_target
            );
            let last = i + 1 == listed && segment.uri.is_some();
            let long = part.duration >= 0.85 * self.part_target;
            assert!(
                long || last || part.independent || !rules.even,
                "4.4.4.9: {} of {}",
                part.duration,
                self.part_target
            );
        }
        if listed > 0 && segment.uri.is_some() {
            let sum: f64 = segment.parts.iter().map(|p| p.duration).sum();
            assert!(
                (sum - segment.duration).abs() <= 0.1 * segment.duration,
                "{sum} in {}",
                segment.duration
            );
        }
        let end: f64 = self.behind(segment);
        assert!(
            listed == 0 || end <= 3.0 * self.target as f64 + segment.duration,
            "6.2.2: parts only at the live edge"
        );
    }

    /// From the end of a segment to that of the playlist.
    fn behind(&self, segment: &SegmentRead) -> f64 {
        let from =
            self.segments.iter().position(|s| std::ptr::eq(s, segment)).expect("one of ours");
        let parts = |s: &SegmentRead| s.parts.iter().map(|p| p.duration).sum();
        self.segments[from + 1..]
            .iter()
            .map(|s| if s.uri.is_some() { s.duration } else { parts(s) })
            .sum()
    }

    /// 4.4.4.5, and 6.2.1: another init segment is a discontinuity.
    fn check_maps(&self) {
        assert!(self.skipped > 0 || self.segments[0].map.is_some(), "the first segment has a map");
        for segment in &self.segments[1..] {
            assert!(
                segment.map.is_none() || segment.discontinuity,
                "a change of tracks is a discontinuity"
            );
        }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &PartRead> {
        self.segments.iter().flat_map(|s| &s.parts)
    }

    pub(super) fn duration(&self) -> f64 {
        self.segments.iter().map(|s| s.duration).sum()
    }

    /// Each complete segment by its number, with its discontinuity number, and the map that
    /// applies.
    fn numbered(&self) -> BTreeMap<u64, (String, u64, Option<String>)> {
        let (mut discontinuities, mut map) = (self.discontinuities, None);
        let complete = self.segments.iter().filter(|s| s.uri.is_some()).enumerate();
        let numbered = complete.map(|(i, s)| {
            discontinuities += u64::from(s.discontinuity);
            map = s.map.clone().or(map.take());
            (
                self.sequence + i as u64,
                (s.uri.clone().unwrap_or_default(), discontinuities, map.clone()),
            )
        });
        numbered.collect()
    }

    /// The rules from one version of a playlist to the next (6.2.1, 6.2.2).
    pub(super) fn check_after(&self, before: &Self) {
        assert_eq!(self.target, before.target, "6.2.1: the target duration must not change");
        assert!(
            self.sequence >= before.sequence && self.discontinuities >= before.discontinuities,
            "6.2.2: never decrease"
        );
        let (old, new) = (before.numbered(), self.numbered());
        for (number, segment) in &new {
            assert!(
                old.get(number).is_none_or(|o| o == segment),
                "6.2.1: segment {number} has changed: {segment:?} {old:?}"
            );
        }
        let last = |n: &BTreeMap<u64, _>| n.keys().next_back().copied();
        assert!(last(&new) >= last(&old), "6.2.2: removed in the order of appearance");
        if self.sequence > before.sequence {
            assert!(
                self.duration() >= 3.0 * self.target as f64 - 1e-6,
                "6.2.2: too short after a removal: {}",
                self.duration()
            );
        }
        let newest = before.parts().last().map(|p| &p.uri);
        let (mut parts, listed) =
            (self.parts().map(|p| &p.uri), self.segments.iter().any(|s| !s.parts.is_empty()));
        assert!(
            !listed || newest.is_none_or(|n| parts.any(|p| p == n)),
            "6.2.2: a part at the live edge is gone"
        );
    }

    /// What a client makes of a delta update and the full playlist it knew (6.3.7).
    pub(super) fn applied_to(&self, known: &Self) -> Self {
        let from = usize::try_from(self.sequence - known.sequence).expect("a small number");
        let mut whole = self.clone();
        let mut kept: Vec<_> = known.segments[from..from + self.skipped].to_vec();
        assert!(kept.iter().all(|s| s.uri.is_some()), "only what a client knows may be skipped");
        kept.iter_mut().for_each(|s| s.parts.clear());
        whole.segments.splice(0..0, kept);
        whole.skipped = 0;
        whole
    }
}
