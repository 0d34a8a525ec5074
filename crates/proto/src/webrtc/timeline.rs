//! RTP timestamps of one track to one viewer, and frames whose order a browser cannot show.

use media::{AccessUnit, Codec, Mono, h264, h265};

/// Ticks that a frame is put behind its predecessor when its own time would put it before: about a
/// millisecond of video.
const STEP: i64 = 90;

/// Timestamps that never run back: not when a group of pictures is sent a second time, and not
/// across publishers.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    offset: u32,
    last: Option<Last>,
    /// What is added to a stream's own times, after a change of streams.
    shift: i64,
    /// The next frame is of another stream, whose times have another beginning.
    switched: bool,
}

/// The last frame.
#[derive(Clone, Copy, Debug)]
struct Last {
    time: i64,
    published: Mono,
}

impl Timeline {
    /// Begins at a random offset (RFC 3550 §5.1).
    pub const fn new(offset: u32) -> Self {
        Self { offset, last: None, shift: 0, switched: false }
    }

    /// What follows is of another stream: its first frame comes as long behind the last one as it
    /// was published.
    #[inline]
    pub const fn switch(&mut self) {
        self.switched = true;
    }

    /// The timestamp of the next frame, of a track with this clock rate in Hz.
    #[inline]
    pub fn next(&mut self, unit: &AccessUnit, clock: u32) -> u32 {
        let published = unit.timing.published;
        if std::mem::take(&mut self.switched)
            && let Some(last) = self.last
        {
            let passed = i128::from(published.signed_since(last.published)) * i128::from(clock)
                / 1_000_000_000;
            self.shift = last.time + passed as i64 - unit.pts;
        }
        let own = unit.pts + self.shift;
        let time = self.last.map_or(own, |last| own.max(last.time + STEP));
        self.last = Some(Last { time, published });
        (time as u32).wrapping_add(self.offset)
    }
}

/// Notices frames that are decoded in another order than they are shown (B-frames). WebRTC has no
/// decode times: browsers show every frame when it comes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Reordering {
    highest: Option<i64>,
}

impl Reordering {
    /// True if `unit` is shown before one that came earlier.
    #[inline]
    pub fn is_late(&mut self, unit: &AccessUnit) -> bool {
        if unit.discontinuity {
            self.highest = None;
        }
        let late = self.highest.is_some_and(|highest| unit.pts < highest);
        self.highest = self.highest.max(Some(unit.pts));
        late
    }
}

/// True if no other frame refers to this one, so that leaving it out harms nothing: what encoders
/// usually make of B-frames.
#[inline]
pub fn is_disposable(unit: &AccessUnit, codec: &Codec) -> bool {
    let mut slices = 0;
    let all = unit.payload.iter().all(|nal| match codec {
        Codec::H264(_) if (h264::nal::SLICE..=h264::nal::IDR).contains(&h264::nal_type(nal)) => {
            slices += 1;
            // nal_ref_idc, H.264 §7.4.1.
            nal.first().is_some_and(|b| b & 0x60 == 0)
        }
        Codec::H265(_) if h265::nal_type(nal) < 32 => {
            slices += 1;
            // Sub-layer non-reference pictures have even types below 15, H.265 table 7-1.
            h265::nal_type(nal) < 15 && h265::nal_type(nal).is_multiple_of(2)
        }
        _ => true,
    });
    all && slices > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use media::{Mono, Timing, TrackId};

    fn unit(pts: i64, nal: u8) -> AccessUnit {
        let payload = std::iter::once(Bytes::from(vec![nal, 0])).collect();
        AccessUnit::new(TrackId(0), pts, false, Timing::arrived(Mono::default()), payload)
    }

    #[test]
    fn a_replayed_group_goes_on_behind_what_was_sent() {
        let mut t = Timeline::new(u32::MAX - 10);
        let sent: Vec<u32> = [0, 3000, 6000, 0, 3000, 6000, 9000, 12_000]
            .map(|pts| t.next(&unit(pts, 0x41), 90_000))
            .to_vec();
        let steps: Vec<u32> = sent.windows(2).map(|w| w[1].wrapping_sub(w[0])).collect();
        assert_eq!(steps, [3000, 3000, 90, 90, 90, 2730, 3000]);
    }

    #[test]
    fn another_stream_goes_on_where_the_last_one_was() {
        let at = |pts, ms: u64| {
            let mut unit = unit(pts, 0x65);
            unit.timing.published = Mono::from_nanos(ms * 1_000_000);
            unit
        };
        let mut t = Timeline::new(0);
        t.next(&at(90_000, 1000), 90_000);
        t.switch();
        assert_eq!(t.next(&at(7, 1040), 90_000), 90_000 + 3600);
        assert_eq!(t.next(&at(7 + 3000, 1073), 90_000), 90_000 + 6600);
        t.switch();
        assert_eq!(t.next(&at(5, 1000), 90_000), 90_000 + 6600 + 90, "never back");
    }

    #[test]
    fn b_frames_are_noticed_and_only_unreferenced_ones_are_disposable() {
        let codec = Codec::H264(None);
        let mut order = Reordering::default();
        let (i, p, b) = (unit(0, 0x65), unit(9000, 0x41), unit(3000, 0x01));
        assert_eq!([&i, &p, &b].map(|u| order.is_late(u)), [false, false, true]);
        assert_eq!([&i, &p, &b].map(|u| is_disposable(u, &codec)), [false, false, true]);
    }

    #[test]
    fn a_new_publisher_is_no_reordering() {
        let mut order = Reordering::default();
        assert!(!order.is_late(&unit(9000, 0x65)));
        let mut next = unit(0, 0x65);
        next.discontinuity = true;
        assert!(!order.is_late(&next));
    }
}
