//! Flash video (Adobe's "Video File Format Specification" 10.1, annex E, and the enhanced form of
//! Veovera's E-RTMP), as ffmpeg writes it to pipes. Each tag tells its length, so no frame waits
//! for the next.

use super::{
    Broken, ContainerTimes, Demux, Demuxed, Lanes, MAX_FRAME, Nals, TrackContent, sound_aac,
    sound_opus,
};
use crate::Mono;
use bytes::{Buf, Bytes, BytesMut};

/// The head of a file and of a tag, and what stands behind each: the length of the one before
/// (§E.2, §E.3).
const FILE_HEAD: usize = 9;
const TAG_HEAD: usize = 11;
const BACK: usize = 4;
/// Types of tags (§E.4.1).
const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const SCRIPT: u8 = 18;
/// Ticks a second of all times.
const CLOCK: u32 = 1000;
/// Of the enhanced form: the four letters follow, and the kinds of its packets.
const ENHANCED_VIDEO: u8 = 0x80;
const ENHANCED_AUDIO: u8 = 9;
const CONFIG: u8 = 0;
const FRAME: u8 = 1;
const FRAME_NOT_MOVED: u8 = 3;

/// Takes a file apart.
#[derive(Debug, Default)]
pub struct FlvDemuxer {
    held: BytesMut,
    /// Where `held` begins.
    at: u64,
    begun: bool,
    /// Bytes that are yet to be skipped.
    skip: usize,
    lanes: Lanes,
    broken: Option<Broken>,
}

impl FlvDemuxer {
    fn advance(&mut self, length: usize) -> Bytes {
        self.at += length as u64;
        self.held.split_to(length).freeze()
    }

    fn fail(&mut self, what: &str) {
        self.broken = Some(Broken { at: self.at, what: what.to_owned() });
        self.held.clear();
    }

    /// Takes the head; false if it has not come.
    fn begin(&mut self) -> bool {
        let Some(head) = self.held.get(..FILE_HEAD) else { return false };
        if !head.starts_with(b"FLV") {
            self.fail("no FLV head");
            return false;
        }
        let told = (&head[5..9]).get_u32() as usize;
        if !(FILE_HEAD..=64).contains(&told) {
            self.fail("an FLV head of an odd length");
            return false;
        }
        if self.held.len() < told + BACK {
            return false;
        }
        self.advance(told + BACK);
        self.begun = true;
        true
    }

    /// Passes the length behind the last tag over; false if it has not come.
    fn pass_back(&mut self) -> bool {
        let length = self.skip.min(self.held.len());
        self.advance(length);
        self.skip -= length;
        self.skip == 0
    }

    /// Takes the next tag; false if it has not come.
    fn tag(&mut self, now: Mono) -> bool {
        let Some(head) = self.held.first_chunk::<TAG_HEAD>() else { return false };
        let [kind, a, b, c, d, e, f, high, ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if !matches!(kind & 0x1f, AUDIO | VIDEO | SCRIPT) {
            self.fail("something else than an FLV tag");
            return false;
        }
        if length > MAX_FRAME {
            self.fail("an FLV tag of absurd length");
            return false;
        }
        if self.held.len() < TAG_HEAD + length {
            return false;
        }
        let time = u32::from_be_bytes([high, d, e, f]);
        self.advance(TAG_HEAD);
        let body = self.advance(length);
        self.skip = BACK;
        match kind & 0x3f {
            AUDIO => self.audio(now, time, body),
            VIDEO => self.video(now, time, body),
            // Scripts, and whatever is encrypted.
            _ => Some(()),
        };
        true
    }

    /// §E.4.3.
    fn video(&mut self, now: Mono, time: u32, mut body: Bytes) -> Option<()> {
        let head = take(&mut body, 1)?[0];
        if head & ENHANCED_VIDEO != 0 {
            return self.enhanced_video(now, time, head & 0x0f, body);
        }
        match head & 0x0f {
            7 => {
                let packet = take(&mut body, 1)?[0];
                let later = moved(&mut body)?;
                match packet {
                    0 => self.lanes.set(
                        VIDEO.into(),
                        Nals::avc(&body)
                            .map(TrackContent::Nals)
                            .ok_or_else(|| "broken h264".to_owned()),
                    ),
                    1 => self.frame(now, VIDEO, time, later, &body),
                    _ => {}
                }
            }
            other => self.lanes.add(VIDEO.into(), Err(video_name(other).to_owned())),
        }
        Some(())
    }

    fn enhanced_video(&mut self, now: Mono, time: u32, packet: u8, mut body: Bytes) -> Option<()> {
        let letters = take(&mut body, 4)?;
        match (packet, &letters[..]) {
            (CONFIG, b"hvc1") => {
                self.lanes.set(
                    VIDEO.into(),
                    Nals::hevc(&body)
                        .map(TrackContent::Nals)
                        .ok_or_else(|| "broken h265".to_owned()),
                );
            }
            (CONFIG, b"avc1") => {
                self.lanes.set(
                    VIDEO.into(),
                    Nals::avc(&body)
                        .map(TrackContent::Nals)
                        .ok_or_else(|| "broken h264".to_owned()),
                );
            }
            (CONFIG, other) => self.lanes.add(VIDEO.into(), Err(letters_name(other))),
            (FRAME, _) => {
                let later = moved(&mut body)?;
                self.frame(now, VIDEO, time, later, &body);
            }
            (FRAME_NOT_MOVED, _) => self.frame(now, VIDEO, time, 0, &body),
            _ => {}
        }
        Some(())
    }

    /// §E.4.2.
    fn audio(&mut self, now: Mono, time: u32, mut body: Bytes) -> Option<()> {
        let head = take(&mut body, 1)?[0];
        match head >> 4 {
            10 => match take(&mut body, 1)?[0] {
                0 => self
                    .lanes
                    .set(AUDIO.into(), sound_aac(&body).ok_or_else(|| "broken aac".to_owned())),
                _ => self.frame(now, AUDIO, time, 0, &body),
            },
            ENHANCED_AUDIO => {
                let letters = take(&mut body, 4)?;
                match (head & 0x0f, &letters[..]) {
                    // The head of an Opus file: its mark, a version, channels.
                    (CONFIG, b"Opus") => {
                        let channels = body.get(9).copied().unwrap_or(2);
                        self.lanes.set(
                            AUDIO.into(),
                            sound_opus(channels)
                                .ok_or_else(|| "opus with many channels".to_owned()),
                        );
                    }
                    (CONFIG, b"mp4a") => self
                        .lanes
                        .set(AUDIO.into(), sound_aac(&body).ok_or_else(|| "broken aac".to_owned())),
                    (CONFIG, other) => self.lanes.add(AUDIO.into(), Err(letters_name(other))),
                    (FRAME, _) => self.frame(now, AUDIO, time, 0, &body),
                    _ => {}
                }
            }
            other => self.lanes.add(AUDIO.into(), Err(audio_name(other).to_owned())),
        }
        Some(())
    }

    fn frame(&mut self, now: Mono, lane: u8, time: u32, later: i32, body: &Bytes) {
        let dts = i64::from(time);
        // One that makes no sense is missing, and the decoder sees that.
        self.lanes.frame(
            now,
            lane.into(),
            ContainerTimes { dts, pts: dts + i64::from(later), clock: CLOCK },
            body,
        );
    }
}

impl Demux for FlvDemuxer {
    fn push(&mut self, now: Mono, bytes: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        self.held.extend_from_slice(bytes);
        while (self.begun || self.begin()) && self.pass_back() && self.tag(now) {}
    }

    fn poll(&mut self) -> Option<Demuxed> {
        self.lanes.poll()
    }

    fn ignored(&self) -> &[String] {
        self.lanes.ignored()
    }

    fn is_hopeless(&self) -> bool {
        // A file does not tell its tracks beforehand: the other may still come.
        false
    }

    fn broken(&self) -> Option<Broken> {
        self.broken.clone()
    }
}

/// By how much it is shown later (`CompositionTime`, 24 bits with a sign).
fn moved(body: &mut Bytes) -> Option<i32> {
    let bytes = take(body, 3)?;
    Some(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]) >> 8)
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (rest.len() >= length).then(|| rest.split_to(length))
}

fn letters_name(letters: &[u8]) -> String {
    match letters {
        b"av01" => "av1".to_owned(),
        b"vp09" => "vp9".to_owned(),
        other => {
            other.iter().map(|b| if b.is_ascii_graphic() { *b as char } else { '?' }).collect()
        }
    }
}

fn video_name(codec: u8) -> &'static str {
    match codec {
        2 => "flv1 (Sorenson H.263)",
        3 | 6 => "screen video",
        4 | 5 => "vp6",
        12 => "h265 in an old form of FLV",
        _ => "unknown video",
    }
}

fn audio_name(format: u8) -> &'static str {
    match format {
        0 | 3 => "pcm sound",
        1 => "adpcm sound",
        2 | 14 => "mp3",
        7 | 8 => "g711",
        11 => "speex",
        _ => "unknown sound",
    }
}

#[cfg(test)]
mod tests;
