//! One camera as all its viewers in a shard see it: frames made ready for sending once, and what they have in common.

use super::stats::CameraStats;
use hub::Stream;
use media::{AccessUnit, Codec, Mono};
use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// Payload bytes kept ready for viewers that are not all at the same frame.
const READY_BYTES: usize = 2 << 20;
/// A fault that repeats is told at most this often.
const REMIND: Duration = Duration::from_secs(1);
/// Over which the bitrate is averaged.
const RATE_SPAN: Duration = Duration::from_secs(1);

/// A frame's RTP payloads, each in one piece and shared by all viewers, also by their memory of what may be asked for again.
#[derive(Debug)]
pub(super) struct Packets {
    pub(super) payloads: Vec<Arc<[u8]>>,
    bytes: usize,
}

/// A camera with viewers in this shard.
pub(super) struct Feed {
    pub(super) stream: Arc<Stream>,
    pub(super) stats: Arc<CameraStats>,
    /// Frames made ready, by position in the stream.
    ready: BTreeMap<u64, Rc<Packets>>,
    ready_bytes: usize,
    reminded: Option<Mono>,
    rate: Rate,
}

#[derive(Default)]
struct Rate {
    from: Option<(Mono, u64)>,
    bytes_per_second: f64,
}

impl Packets {
    fn new(unit: &AccessUnit, codec: &Codec) -> Self {
        let fragments = &proto::rtp::send::fragments(unit, codec).fragments;
        let payloads: Vec<Arc<[u8]>> = fragments.iter().map(|f| f.head.iter().chain(&f.body).copied().collect()).collect();
        let bytes = payloads.iter().map(|p| p.len()).sum();
        Self { payloads, bytes }
    }
}

impl Feed {
    pub(super) fn new(stream: Arc<Stream>, stats: Arc<CameraStats>) -> Self {
        Self { stream, stats, ready: BTreeMap::new(), ready_bytes: 0, reminded: None, rate: Rate::default() }
    }

    /// The packets of the unit at `position`.
    pub(super) fn packets(&mut self, position: u64, unit: &AccessUnit, codec: &Codec) -> Rc<Packets> {
        if let Some(packets) = self.ready.get(&position) {
            return packets.clone();
        }
        let packets = Rc::new(Packets::new(unit, codec));
        self.ready_bytes += packets.bytes;
        self.ready.insert(position, packets.clone());
        while self.ready_bytes > READY_BYTES
            && let Some((_, oldest)) = self.ready.pop_first()
        {
            self.ready_bytes -= oldest.bytes;
        }
        packets
    }

    /// Counts a frame that browsers cannot show in its place, and says so.
    pub(super) fn handle_b_frame(&mut self, now: Mono) {
        self.stats.b_frames.fetch_add(1, Relaxed);
        self.stats.has_b_frames.store(true, Relaxed);
        if self.reminded.is_none_or(|at| now.since(at) >= REMIND) {
            self.reminded = Some(now);
            tracing::warn!(
                camera = %self.stream.name(),
                left_out = self.stats.b_frames.load(Relaxed),
                "this camera sends B-frames, which WebRTC cannot carry: they are left out, and motion looks less smooth; \
                 switch them off in the camera or encoder (x264: -tune zerolatency or -bf 0)"
            );
        }
    }

    /// What the camera sends, in bytes a second.
    pub(super) fn rate(&mut self, now: Mono) -> f64 {
        let bytes = self.stream.stats().bytes;
        let rate = &mut self.rate;
        let (at, before) = *rate.from.get_or_insert((now, bytes));
        if now.since(at) >= RATE_SPAN {
            rate.bytes_per_second = bytes.saturating_sub(before) as f64 / now.since(at).as_secs_f64();
            rate.from = Some((now, bytes));
        }
        rate.bytes_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hub::StreamOptions;
    use media::{Timing, TrackId};

    fn feed() -> Feed {
        let stream = Stream::new("front", StreamOptions::default(), Mono::default());
        Feed::new(stream, Arc::default())
    }

    fn unit(size: usize) -> AccessUnit {
        let mut nal = vec![7u8; size];
        nal[0] = 0x41;
        AccessUnit::new(TrackId(0), 0, false, Timing::arrived(Mono::default()), std::iter::once(Bytes::from(nal)).collect())
    }

    #[test]
    fn packets_are_made_once_and_bounded() {
        let mut feed = feed();
        let frame = unit(100_000);
        let first = feed.packets(1, &frame, &Codec::H264(None));
        assert!(first.payloads.len() > 80);
        assert!(Rc::ptr_eq(&first, &feed.packets(1, &frame, &Codec::H264(None))));
        for position in 2..100 {
            feed.packets(position, &unit(100_000), &Codec::H264(None));
        }
        assert!(feed.ready_bytes <= READY_BYTES && feed.ready.len() > 15);
        assert_eq!(feed.ready_bytes, feed.ready.values().map(|p| p.bytes).sum::<usize>());
        assert!(feed.ready.contains_key(&99));
    }
}
