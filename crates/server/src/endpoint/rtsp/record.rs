//! A publisher: packets of several tracks into one stream.

use super::refusal;
use crate::publication::Publication;
use bytes::Bytes;
use hub::{PublishError, Stream};
use media::{ClockPair, Mono, TrackId};
use proto::{
    rtp::receive::{Together, TrackReceiver, Transport},
    rtsp::{MAX_TRACKS, Refusal, StatusCode},
    sdp,
};
use std::{sync::Arc, time::Duration};

/// How often what arrives is reported to the sender (RFC 3550 §6.2).
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What receiver reports call this server (RFC 3550 §6.5.1).
const CNAME: &str = "neverblink";

/// One session that publishes.
pub(super) struct Recorder {
    publication: Publication,
    formats: Vec<sdp::Format>,
    clock_is_wrong: bool,
    together: Together,
    tracks: Vec<RecordTrack>,
    ssrc: u32,
}

struct RecordTrack {
    index: usize,
    receiver: TrackReceiver,
    reported: Option<Mono>,
}

/// What a publisher announced, understood.
pub(super) struct Announcement {
    /// The controls of its tracks, in order.
    pub(super) controls: Vec<String>,
    formats: Vec<sdp::Format>,
    clock_is_wrong: bool,
}

impl Announcement {
    /// Reads a session description.
    ///
    /// # Errors
    /// 415 if a track's encoding is not carried, naming it; 400 if it is no description.
    pub(super) fn parse(description: &[u8]) -> Result<Self, Refusal> {
        let media = sdp::parse_announce(description).map_err(|e| refusal::description(&e))?;
        if media.len() > MAX_TRACKS {
            return Err(Refusal::new(
                StatusCode::BadRequest,
                format!("more than {MAX_TRACKS} tracks"),
            ));
        }
        let (mut controls, mut formats) = (Vec::new(), Vec::new());
        for medium in media {
            // Also of media that are neither pictures nor sound: their sender would go on to set
            // them up.
            formats.push(medium.format.map_err(|e| refusal::description(&e.into()))?);
            controls.push(medium.control.unwrap_or_default());
        }
        Ok(Self { controls, formats, clock_is_wrong: by_libavformat(description) })
    }
}

/// Whether ffmpeg (or another user of libavformat) publishes. It reports that the first frame was
/// taken when it opened its muxer, which is its start-up time, easily half a second, beside the
/// truth: arrival is nearer.
fn by_libavformat(description: &[u8]) -> bool {
    description.split(|&byte| byte == b'\n').any(|line| line.starts_with(b"a=tool:libavformat"))
}

impl Recorder {
    /// Begins publishing on behalf of `by`.
    pub(super) fn begin(
        now: Mono,
        stream: &Arc<Stream>,
        by: &str,
        announced: Announcement,
    ) -> Result<Self, Refusal> {
        let formats = announced.formats;
        let publication =
            Publication::begin(now, stream, by, &formats).map_err(|e| refusal::publish(&e))?;
        let clock_is_wrong = announced.clock_is_wrong;
        Ok(Self {
            publication,
            formats,
            clock_is_wrong,
            together: Together::default(),
            tracks: Vec::new(),
            ssrc: fastrand::u32(1..),
        })
    }

    /// Prepares to receive a track.
    pub(super) fn set_up(&mut self, index: usize, transport: Transport) {
        let Some(format) = self.formats.get(index) else { return };
        let mut receiver = TrackReceiver::new(TrackId(index as u8), format, transport);
        receiver.keep_together(&self.together);
        if self.clock_is_wrong {
            receiver.disbelieve_clock();
        }
        self.tracks.retain(|t| t.index != index);
        self.tracks.push(RecordTrack { index, receiver, reported: None });
    }

    /// Takes a packet and publishes the frames it completes.
    ///
    /// # Errors
    /// When it is no longer this publisher's turn.
    pub(super) fn handle(
        &mut self,
        clocks: &ClockPair,
        index: usize,
        rtcp: bool,
        packet: Bytes,
    ) -> Result<(), PublishError> {
        let Some(track) = self.tracks.iter_mut().find(|t| t.index == index) else { return Ok(()) };
        if rtcp {
            track.receiver.handle_rtcp(clocks.mono, clocks, &packet);
            return Ok(());
        }
        track.receiver.handle_rtp(clocks.mono, packet);
        self.publish(clocks.mono)
    }

    /// When [`Recorder::handle_timeout`] is due: a gap in the packets has been waited for long
    /// enough.
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.tracks.iter().filter_map(|t| t.receiver.poll_timeout()).min()
    }

    /// Publishes what need not wait any longer.
    ///
    /// # Errors
    /// When it is no longer this publisher's turn.
    pub(super) fn handle_timeout(&mut self, now: Mono) -> Result<(), PublishError> {
        self.tracks.iter_mut().for_each(|t| t.receiver.handle_timeout(now));
        self.publish(now)
    }

    fn publish(&mut self, now: Mono) -> Result<(), PublishError> {
        for track in &mut self.tracks {
            while let Some(received) = track.receiver.poll() {
                self.publication.take(now, track.index, received)?;
            }
        }
        Ok(())
    }

    /// A receiver report about a track, if one is due.
    pub(super) fn report(&mut self, now: Mono, index: usize) -> Option<Bytes> {
        let track = self.tracks.iter_mut().find(|t| t.index == index)?;
        if track.reported.is_some_and(|at| now.since(at) < REPORT_EVERY) {
            return None;
        }
        track.reported = Some(now);
        Some(track.receiver.receiver_report(now, self.ssrc, CNAME))
    }

    /// The stream's name.
    pub(super) fn name(&self) -> &Arc<str> {
        self.publication.stream().name()
    }

    /// Packets received, lost and malformed, all tracks together.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let stats = self.tracks.iter().map(|t| t.receiver.stats());
        stats.fold((0, 0, 0), |sum, s| (sum.0 + s.packets, sum.1 + s.lost, sum.2 + s.malformed))
    }

    /// Ends publishing, for the reason given in words.
    pub(super) fn finish(self, now: Mono, reason: String) {
        self.publication.finish(now, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ffmpeg_is_known_by_its_tool_line() {
        assert!(by_libavformat(
            b"v=0\r\nt=0 0\r\na=tool:libavformat 59.27.100\r\nm=video 0 RTP/AVP 96\r\n"
        ));
        assert!(!by_libavformat(b"v=0\r\na=tool:GStreamer\r\ns=a=tool:libavformat\r\n"));
    }
}
