//! The parts of playlists that a player uses.

use std::time::Duration;

/// A part as listed.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Part {
    pub(super) uri: String,
    pub(super) duration: Duration,
    pub(super) independent: bool,
}

/// A media playlist, or a delta update of one.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Playlist {
    /// The segment and the part that the next blocking request asks for.
    pub(super) next: (u64, usize),
    pub(super) parts: Vec<Part>,
    pub(super) init: Option<String>,
    /// How far players stay behind the end.
    pub(super) hold_back: Duration,
    pub(super) blocks: bool,
    pub(super) skips: bool,
}

impl Playlist {
    pub(super) fn parse(text: &str) -> Self {
        let mut list = Self::default();
        let (mut sequence, mut open) = (0, 0);
        for line in text.lines() {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-MEDIA-SEQUENCE" => sequence += value.parse::<u64>().unwrap_or(0),
                "#EXT-X-SKIP" => {
                    sequence += attribute(value, "SKIPPED-SEGMENTS")
                        .and_then(|n| n.parse().ok())
                        .unwrap_or(0);
                }
                "#EXTINF" => (sequence, open) = (sequence + 1, 0),
                "#EXT-X-MAP" => list.init = attribute(value, "URI").map(str::to_owned),
                "#EXT-X-SERVER-CONTROL" => {
                    list.blocks = attribute(value, "CAN-BLOCK-RELOAD") == Some("YES");
                    list.skips = attribute(value, "CAN-SKIP-UNTIL").is_some();
                    list.hold_back = seconds(attribute(value, "PART-HOLD-BACK"));
                }
                "#EXT-X-PART" => {
                    open += 1;
                    list.parts.extend(attribute(value, "URI").map(|uri| Part {
                        uri: uri.to_owned(),
                        duration: seconds(attribute(value, "DURATION")),
                        independent: attribute(value, "INDEPENDENT") == Some("YES"),
                    }));
                }
                _ => {}
            }
        }
        list.next = (sequence, open);
        list
    }

    /// Parts behind `last`, and whether some may have been missed because it is no longer listed.
    pub(super) fn behind(&self, last: &str) -> (&[Part], bool) {
        match self.parts.iter().rposition(|part| part.uri == last) {
            Some(at) => (&self.parts[at + 1..], false),
            None => {
                (self.parts.get(self.parts.len().saturating_sub(1)..).unwrap_or_default(), true)
            }
        }
    }

    /// Where a player begins: the newest part that needs none before it, at least the hold-back
    /// before the end.
    pub(super) fn beginning(&self) -> &[Part] {
        let mut held = Duration::ZERO;
        for (at, part) in self.parts.iter().enumerate().rev() {
            held += part.duration;
            if held >= self.hold_back && part.independent {
                return &self.parts[at..];
            }
        }
        &self.parts
    }
}

/// The first variant of a multivariant playlist.
pub(super) fn variant(text: &str) -> Option<&str> {
    text.lines().find(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The path that `reference` means within `base`.
pub(super) fn join(base: &str, reference: &str) -> String {
    if let Some((_, rest)) = reference.split_once("://") {
        return rest.split_once('/').map_or_else(|| "/".to_owned(), |(_, path)| format!("/{path}"));
    }
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    let path = base.split('?').next().unwrap_or_default();
    if reference.starts_with('?') {
        return format!("{path}{reference}");
    }
    format!("{}/{reference}", path.rsplit_once('/').map_or("", |(directory, _)| directory))
}

fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    loop {
        let (key, behind) = rest.split_once('=')?;
        let (value, next) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => behind.split_at(behind.find(',').unwrap_or(behind.len())),
        };
        if key.trim_start_matches([',', ' ']) == name {
            return Some(value);
        }
        rest = next;
    }
}

fn seconds(text: Option<&str>) -> Duration {
    let seconds = text.and_then(|t| t.parse().ok()).unwrap_or(0.0);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#EXTM3U\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,PART-HOLD-BACK=0.21\n\
        #EXT-X-MEDIA-SEQUENCE:40\n#EXT-X-MAP:URI=\"init,1.mp4\"\n#EXTINF:1.0,\ns40.m4s\n\
        #EXT-X-PART:DURATION=0.1,URI=\"p1\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.1,URI=\"p2\"\n#EXTINF:1.0,\ns41.m4s\n\
        #EXT-X-PART:DURATION=0.1,URI=\"p3\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.1,URI=\"p4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p5\"\n";

    #[test]
    fn the_next_part_is_asked_for() {
        let list = Playlist::parse(TEXT);
        assert_eq!(
            (list.next, list.init.as_deref(), list.blocks, list.skips),
            ((42, 2), Some("init,1.mp4"), true, true)
        );
        let uris = |parts: &[Part]| parts.iter().map(|p| p.uri.clone()).collect::<Vec<_>>();
        assert_eq!(uris(list.behind("p2").0), ["p3", "p4"]);
        assert_eq!((uris(list.behind("p0").0), list.behind("p0").1), (vec!["p4".to_owned()], true));
        assert_eq!(uris(list.beginning()), ["p1", "p2", "p3", "p4"], "p3 is too near to the end");
        let delta = Playlist::parse(
            &TEXT.replace("#EXTINF:1.0,\ns40.m4s\n", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n"),
        );
        assert_eq!(delta.next, (42, 2));
    }

    #[test]
    fn references_are_resolved() {
        assert_eq!(join("/live/cam/index.m3u8?x=1", "hls/media.m3u8"), "/live/cam/hls/media.m3u8");
        assert_eq!(join("/a/b", "/c?d"), "/c?d");
        assert_eq!(join("/a/b", "http://h:1/c"), "/c");
        assert_eq!(join("/a/b?x", "?y=1"), "/a/b?y=1");
    }
}
