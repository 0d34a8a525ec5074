//! Names of streams: `CAMERA`, or `CAMERA/RENDITION`.

/// The name of a stream apart: its camera, and the rendition if it is one.
pub(crate) fn parts(stream: &str) -> (&str, Option<&str>) {
    stream.split_once('/').map_or((stream, None), |(camera, rendition)| (camera, Some(rendition)))
}
