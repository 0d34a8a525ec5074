//! What a request URI names: a stream and perhaps one of its tracks.

/// Longest stream name taken from a URI, in bytes.
const MAX_NAME: usize = 256;
/// The last path segment by which our own descriptions name tracks: this and the track's number.
pub(super) const TRACK_PREFIX: &str = "trackID=";

/// A stream's name and the number of a track in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// `front`, or `front/sd` for a rendition. Not checked for being anything that exists.
    pub name: String,
    /// The track, if the URI names one.
    pub track: Option<usize>,
}

impl Target {
    /// Reads the path of `uri`, dropping scheme, authority (with any password in it), query and
    /// empty segments.
    ///
    /// `None` if it names no stream.
    pub fn parse(uri: &str) -> Option<Self> {
        let path = match uri.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?.1,
            None => uri.strip_prefix('/')?,
        };
        let (path, track) = split_track(path);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let segments: Vec<_> = path.split('/').filter(|s| !s.is_empty()).collect();
        let name = segments.join("/");
        (!name.is_empty() && name.len() <= MAX_NAME).then_some(Self { name, track })
    }
}

/// Clients append the track to whatever they were given, even behind a query.
fn split_track(path: &str) -> (&str, Option<usize>) {
    let trimmed = path.trim_end_matches('/');
    let (base, last) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
    match last.strip_prefix(TRACK_PREFIX).and_then(|n| n.parse().ok()) {
        Some(track) => (base, Some(track)),
        None => (path, None),
    }
}

/// True if `uri` names the track that a publisher described by `control` (RFC 2326 §C.1.1),
/// absolute or relative.
pub(super) fn names_control(uri: &str, control: &str) -> bool {
    let (uri, control) = (uri.trim_end_matches('/'), control.trim_end_matches('/'));
    if control.is_empty() || control == "*" {
        return false;
    }
    uri == control || uri.strip_suffix(control).is_some_and(|base| base.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Option<(String, Option<usize>)> {
        Target::parse(uri).map(|t| (t.name, t.track))
    }

    #[test]
    fn reads_streams_and_tracks() {
        let named = |n: &str, t| Some((n.to_owned(), t));
        assert_eq!(parse("rtsp://u:p@h:8554/cam"), named("cam", None));
        assert_eq!(parse("rtsp://h/cam/"), named("cam", None));
        assert_eq!(parse("rtsp://h/cam/sd/trackID=1"), named("cam/sd", Some(1)));
        assert_eq!(parse("rtsp://h/cam?x=/1/trackID=0"), named("cam", Some(0)));
        assert_eq!(parse("/cam"), named("cam", None));
        assert_eq!(parse("rtsp://h/cam/trackID=x"), named("cam/trackID=x", None));
        for none in ["*", "rtsp://h", "rtsp://h/", "rtsp://h//?x", "", "rtsp://h/trackID=0"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn matches_controls() {
        assert!(names_control("rtsp://h/cam/streamid=1", "streamid=1"));
        assert!(names_control("rtsp://h/cam?q=1/streamid=1", "streamid=1"));
        assert!(names_control("rtsp://h/cam/x", "rtsp://h/cam/x/"));
        assert!(!names_control("rtsp://h/cam/streamid=11", "streamid=1"));
        assert!(!names_control("rtsp://h/cam/xstreamid=1", "streamid=1"));
        assert!(!names_control("rtsp://h/cam", "*"));
    }
}
