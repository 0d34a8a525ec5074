//! Pictures as parts of a multipart answer (RFC 2046 §5.1).
//!
//! Browsers show a part when the next one's headers are complete. So each picture brings the
//! headers of the next; they can then tell nothing of it. With `headers=1` they come with their own
//! picture and tell its length and its story.

use crate::pictures::Jpeg;
use bytes::Bytes;
use media::ClockPair;

/// The type of the whole answer.
pub(super) const CONTENT_TYPE: &str = "multipart/x-mixed-replace; boundary=neverblink";
/// What goes before the first picture.
pub(super) const BEGINNING: &[u8] = b"--neverblink\r\nContent-Type: image/jpeg\r\n\r\n";
/// What goes behind each: the end of the part, and the next one's headers.
const NEXT: &[u8] = b"\r\n--neverblink\r\nContent-Type: image/jpeg\r\n\r\n";

/// The picture, and behind it the headers of the next. Made once for all viewers.
pub(super) fn eager(picture: &Jpeg) -> Bytes {
    picture.form(false, |picture| [&picture.file[..], NEXT].concat().into())
}

/// The picture with headers of its own before it. Made once for all viewers.
pub(super) fn telling(picture: &Jpeg, now: impl FnOnce() -> ClockPair) -> Bytes {
    picture.form(true, |picture| {
        let mut part = b"--neverblink\r\nContent-Type: image/jpeg\r\n".to_vec();
        for (name, value) in story(picture, now()) {
            part.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        part.extend_from_slice(
            format!("Content-Length: {}\r\n\r\n", picture.file.len()).as_bytes(),
        );
        part.extend_from_slice(&picture.file);
        part.extend_from_slice(b"\r\n");
        part.into()
    })
}

/// When the picture was captured (seconds since 1970), and how many milliseconds later it had
/// passed each stage.
pub(super) fn story(picture: &Jpeg, now: ClockPair) -> [(&'static str, String); 4] {
    let captured = picture.captured_by_wall(&now).as_micros();
    let after =
        |at: media::Mono| format!("{:.1}", at.since(picture.captured).as_secs_f64() * 1000.0);
    [
        (
            "X-Timestamp",
            format!("{}.{:06}", captured.div_euclid(1_000_000), captured.rem_euclid(1_000_000)),
        ),
        ("X-Latency-Received", after(picture.received)),
        ("X-Latency-Decoded", after(picture.decoded)),
        ("X-Latency-Encoded", after(picture.encoded)),
    ]
}
