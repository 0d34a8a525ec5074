//! What a client has set up.

use super::super::{
    message::{Refusal, StatusCode},
    target::{self, Target},
    transport::{Agreed, Lower, Transport},
};
use super::{MAX_TRACKS, requests::wrong_state, types::Usage};

/// A session, from ANNOUNCE or the first SETUP to TEARDOWN.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) usage: Usage,
    /// The stream it is about.
    pub(super) name: String,
    /// Packets flow: playing or recording.
    pub(super) active: bool,
    /// The client knows `id`; a publisher learns it with the first SETUP.
    pub(super) told: bool,
    /// How a publisher named its tracks.
    controls: Vec<String>,
    tracks: Vec<Track>,
}

struct Track {
    index: usize,
    lower: Lower,
    channels: Option<(u8, u8)>,
}

impl Session {
    pub(super) fn new(id: String, usage: Usage, name: String, controls: Vec<String>) -> Self {
        Self { id, usage, name, active: false, told: false, controls, tracks: Vec::new() }
    }

    /// Whether a track may be set up, and which.
    pub(super) fn check_setup(
        &self,
        uri: &str,
        target: &Target,
        transport: &Transport,
    ) -> Result<Option<usize>, Refusal> {
        if self.active {
            return Err(wrong_state("tracks cannot be added while packets flow"));
        }
        if self.usage == Usage::Record && transport.mode.as_deref() == Some("play") {
            return Err(wrong_state("an announced stream is set up with mode=record"));
        }
        let udp = |lower| matches!(lower, Lower::Udp { .. });
        if self.tracks.first().is_some_and(|t| udp(t.lower) != udp(transport.lower)) {
            let detail = "all tracks of a session travel the same way, either TCP or UDP";
            return Err(Refusal::new(StatusCode::UnsupportedTransport, detail));
        }
        match self.usage {
            Usage::Play if target.name != self.name => Err(Refusal::new(
                StatusCode::AggregateOperationNotAllowed,
                format!("this session plays {}", self.name),
            )),
            Usage::Play => Ok(target.track),
            Usage::Record => self.announced_track(uri).map(Some),
        }
    }

    fn announced_track(&self, uri: &str) -> Result<usize, Refusal> {
        let named = self.controls.iter().position(|control| target::names_control(uri, control));
        let only = (self.controls.len() == 1).then_some(0);
        named.or(only).ok_or_else(|| {
            Refusal::new(StatusCode::NotFound, "the URI names none of the announced tracks")
        })
    }

    /// Adds a track and gives the `Transport` header of the answer.
    pub(super) fn add(
        &mut self,
        index: usize,
        transport: Transport,
        ssrc: Option<u32>,
        server_ports: Option<(u16, u16)>,
    ) -> Result<String, Refusal> {
        if self.tracks.iter().any(|t| t.index == index) {
            return Err(wrong_state("this track is set up already"));
        }
        if self.tracks.len() >= MAX_TRACKS {
            return Err(wrong_state("too many tracks"));
        }
        let channels = match transport.lower {
            Lower::Interleaved(wish) => Some(self.free_channels(wish)),
            Lower::Udp { .. } => None,
        };
        self.tracks.push(Track { index, lower: transport.lower, channels });
        let record = self.usage == Usage::Record;
        Ok(Agreed { transport: &transport, channels, server_ports, ssrc, record }.to_string())
    }

    /// The channels wished for, or the lowest free pair.
    fn free_channels(&self, wish: Option<(u8, u8)>) -> (u8, u8) {
        let taken = |c: u8| self.route_any(c).is_some();
        let wish = wish.filter(|(rtp, rtcp)| rtp != rtcp && !taken(*rtp) && !taken(*rtcp));
        let lowest = || {
            (0..=u8::MAX / 2)
                .map(|i| (2 * i, 2 * i + 1))
                .find(|(rtp, rtcp)| !taken(*rtp) && !taken(*rtcp))
        };
        wish.or_else(lowest).unwrap_or_default()
    }

    pub(super) fn channels(&self, track: usize) -> Option<(u8, u8)> {
        self.tracks.iter().find(|t| t.index == track)?.channels
    }

    /// The track that an interleaved frame belongs to, and whether it is RTCP. A player sends RTCP
    /// only, and no peer sends RTP before it was asked to.
    pub(super) fn route(&self, channel: u8) -> Option<(usize, bool)> {
        self.route_any(channel)
            .filter(|(_, rtcp)| *rtcp || (self.active && self.usage == Usage::Record))
    }

    fn route_any(&self, channel: u8) -> Option<(usize, bool)> {
        self.tracks.iter().find_map(|t| {
            let (rtp, rtcp) = t.channels?;
            (channel == rtp || channel == rtcp).then_some((t.index, channel == rtcp))
        })
    }
}
