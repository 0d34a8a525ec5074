//! What the helper writes, taken apart: a letter, the length in four bytes, the content.

use bytes::{Buf, Bytes, BytesMut};
use media::Mono;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// No frame of a real camera is larger.
const MAX_FRAME: usize = 8 << 20;
/// Nor any list of controls.
const MAX_JSON: usize = 256 << 10;
const HEAD: usize = 5;
/// Two times and a flag.
const FRAME_HEAD: usize = 17;

/// One message of the helper.
#[derive(PartialEq, Debug)]
pub(super) enum Said {
    /// In words.
    Words(Words),
    /// A frame.
    Frame(Frame),
}

/// An encoded frame.
#[derive(PartialEq, Debug)]
pub(super) struct Frame {
    /// When the sensor saw it; `None` if the helper does not know.
    pub(super) captured: Option<Mono>,
    /// When it was encoded.
    pub(super) encoded: Mono,
    /// An Annex B stream.
    pub(super) stream: Bytes,
}

/// What the helper says in JSON.
#[derive(Deserialize, PartialEq, Debug)]
#[serde(untagged)]
pub(super) enum Words {
    /// The camera runs.
    Ready {
        /// Each control of libcamera with its least, greatest and usual value.
        ready: Map<String, Json>,
        /// The sensor.
        model: String,
        /// It is encoded in hardware.
        hardware: bool,
        /// What was asked for and is not possible, with the reasons.
        refused: Map<String, Json>,
    },
    /// An order is done.
    Done {
        /// Its number.
        done: u64,
        /// But for these, with the reasons.
        refused: Map<String, Json>,
    },
    /// There is no such camera.
    Absent {
        /// The one asked for.
        absent: u32,
        /// Those that are there.
        found: Vec<String>,
    },
}

/// The helper writes something else than messages.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error("a message of kind {kind:#04x} and {length} bytes")]
pub(super) struct Nonsense {
    kind: u8,
    length: usize,
}

/// The next message, if `read` holds all of it.
///
/// # Errors
/// If it is none: nothing behind it can be understood.
pub(super) fn next(read: &mut BytesMut) -> Result<Option<Said>, Nonsense> {
    let Some(head) = read.first_chunk::<HEAD>() else { return Ok(None) };
    let [kind, a, b, c, d] = *head;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    let nonsense = Nonsense { kind, length };
    let fits = match kind {
        b'J' => length <= MAX_JSON,
        b'F' => (FRAME_HEAD..=MAX_FRAME).contains(&length),
        _ => false,
    };
    if !fits {
        return Err(nonsense);
    }
    if read.len() < HEAD + length {
        read.reserve(HEAD + length - read.len());
        return Ok(None);
    }
    read.advance(HEAD);
    let mut content = read.split_to(length).freeze();
    if kind == b'J' {
        return serde_json::from_slice(&content)
            .map(|words| Some(Said::Words(words)))
            .map_err(|_| nonsense);
    }
    let (captured, encoded) = (content.get_u64(), content.get_u64());
    content.advance(1);
    let captured = (captured > 0).then(|| Mono::from_nanos(captured));
    Ok(Some(Said::Frame(Frame { captured, encoded: Mono::from_nanos(encoded), stream: content })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend(content);
        bytes
    }

    #[test]
    fn messages_are_understood_however_they_are_cut() {
        let mut all = message(b'J', br#"{"done": 3, "refused": {"Brightness": "no"}}"#);
        let mut frame = vec![0; FRAME_HEAD];
        (frame[7], frame[15], frame[16]) = (5, 9, 1);
        frame.extend([0, 0, 1, 0x65]);
        all.extend(message(b'F', &frame));
        all.extend(message(b'J', br#"{"absent": 2, "found": ["imx708"]}"#));
        for cut in 0..all.len() {
            let mut read = BytesMut::from(&all[..cut]);
            let mut said = Vec::new();
            while let Some(one) = next(&mut read).unwrap() {
                said.push(one);
            }
            read.extend_from_slice(&all[cut..]);
            while let Some(one) = next(&mut read).unwrap() {
                said.push(one);
            }
            let Said::Words(Words::Done { done: 3, refused }) = &said[0] else {
                panic!("{:?}", said[0])
            };
            assert_eq!(refused["Brightness"], "no");
            let stream = Bytes::from_static(&[0, 0, 1, 0x65]);
            assert_eq!(
                said[1],
                Said::Frame(Frame {
                    captured: Some(Mono::from_nanos(5)),
                    encoded: Mono::from_nanos(9),
                    stream
                })
            );
            assert_eq!(
                said[2],
                Said::Words(Words::Absent { absent: 2, found: vec!["imx708".to_owned()] })
            );
        }
    }

    proptest! {
        #[test]
        fn anything_is_a_message_or_nonsense(bytes: Vec<u8>) {
            let mut read = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = next(&mut read) {}
            prop_assert!(read.capacity() <= MAX_FRAME + bytes.len() + 4096);
        }
    }
}
