//! Reading descriptions: of publishers (ANNOUNCE), and of cameras (DESCRIBE).

use super::{
    attributes::Attributes,
    format::{Format, Unsupported},
};

/// Longest description read, in bytes.
pub const MAX_LEN: usize = 64 << 10;
/// Most media of a description.
const MAX_MEDIA: usize = 32;

/// One medium of a description.
#[derive(Debug)]
pub struct Media {
    /// What it is.
    pub kind: Kind,
    /// Its `a=control`: an URL of its own, or one relative to the session's (RFC 2326 §C.1.1).
    pub control: Option<String>,
    /// How to read its packets: the first payload type that is understood, else why the first is
    /// not.
    pub format: Result<Format, Unsupported>,
}

/// What a medium is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Something to be ignored: ONVIF metadata, text, …
    Other(String),
}

/// Why a description is unusable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Longer than [`MAX_LEN`], or with more media than anybody has.
    #[error(
        "the session description is too long: {MAX_LEN} bytes and {MAX_MEDIA} media are the limit"
    )]
    TooLong,
    /// Not SDP.
    #[error("the session description cannot be read: {0}")]
    Syntax(String),
    /// Neither pictures nor sound.
    #[error("the session description has neither video nor audio")]
    Nothing,
    /// A track that could not be carried.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// Reads a description. Media that cannot be carried are told from those that can, medium by
/// medium.
///
/// # Errors
/// If it is too long, is no SDP, or has neither video nor audio.
pub fn parse(sdp: &[u8]) -> Result<Vec<Media>, Error> {
    if sdp.len() > MAX_LEN {
        return Err(Error::TooLong);
    }
    let session = sdp_types::Session::parse(essence(sdp).as_bytes())
        .map_err(|e| Error::Syntax(e.to_string()))?;
    if session.medias.len() > MAX_MEDIA {
        return Err(Error::TooLong);
    }
    let media: Vec<_> = session.medias.iter().map(read_media).collect();
    match media.iter().any(|m| m.kind.is_track()) {
        true => Ok(media),
        false => Err(Error::Nothing),
    }
}

/// Reads a publisher's description, every track of which must be carried. Media of another kind are
/// left in, to be ignored.
///
/// # Errors
/// As [`parse`], and if a video or audio track has no payload type that is understood.
pub fn parse_announce(sdp: &[u8]) -> Result<Vec<Media>, Error> {
    let mut media = parse(sdp)?;
    let unsupported = media.iter().position(|m| m.kind.is_track() && m.format.is_err());
    match unsupported.map(|i| media.swap_remove(i).format) {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(media),
    }
}

impl Kind {
    /// True for pictures and sound.
    pub const fn is_track(&self) -> bool {
        matches!(self, Self::Video | Self::Audio)
    }
}

/// The media and attribute lines with a plain head. Cameras get the rest wrong in many ways, and
/// nothing here needs it.
fn essence(sdp: &[u8]) -> String {
    let text = String::from_utf8_lossy(sdp);
    let lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| line.starts_with("m=") || line.starts_with("a="));
    let mut out = String::from("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
    lines.for_each(|line| out.extend([line, "\r\n"]));
    out
}

fn read_media(media: &sdp_types::Media) -> Media {
    let attributes = Attributes::new(&media.attributes);
    let kind = match media.media.to_ascii_lowercase().as_str() {
        "video" => Kind::Video,
        "audio" => Kind::Audio,
        _ => Kind::Other(media.media.clone()),
    };
    Media {
        control: attributes.value("control").map(str::to_owned),
        format: read_format(media, &kind, &attributes),
        kind,
    }
}

/// The first payload type that can be carried.
fn read_format(
    media: &sdp_types::Media,
    kind: &Kind,
    attributes: &Attributes<'_>,
) -> Result<Format, Unsupported> {
    if !kind.is_track() || !media.proto.to_ascii_uppercase().starts_with("RTP/") {
        return Err(Unsupported::Media { media: media.media.clone(), proto: media.proto.clone() });
    }
    let mut first = None;
    for payload_type in
        media.fmt.split_ascii_whitespace().filter_map(|f| f.parse().ok()).filter(|pt| *pt < 128)
    {
        match Format::read(&media.media, payload_type, attributes) {
            Ok(format) => return Ok(format),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| Unsupported::Media {
        media: media.media.clone(),
        proto: media.proto.clone(),
    }))
}
