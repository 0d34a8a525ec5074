//! One timeline across all rounds of a file.

use media::{MediaKind, TrackId};

/// Nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// Between two frames of a track, where nothing is known of it.
const USUAL_STEP: i64 = SECOND / 25;
/// Times of a track that run on further than this, or back, have jumped. Longer pauses would be
/// taken for a fault.
const MAX_AHEAD: i64 = 3 * SECOND;
const MAX_BACK: i64 = SECOND;
/// Sound that lasts longer than the pictures by no more than this is no reason to hold the picture.
const OVERHANG: i64 = SECOND / 10;

/// A frame's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// To be added to the file's times; the same for all frames of a round, unless its times jump.
    pub(super) offset: i64,
    /// When to publish, since the first frame.
    pub(super) due: i64,
}

/// Places frames by the decode times that the file tells, in nanoseconds.
#[derive(Default, Debug)]
pub(super) struct Timeline {
    /// `None` before the first frame of a round.
    offset: Option<i64>,
    lanes: Vec<Lane>,
    /// Where the pictures end so far.
    pictures: i64,
}

#[derive(Clone, Copy, Default, Debug)]
struct Lane {
    /// The newest, and the sum and number of the steps so far: single ones are rounded by the file.
    last: Option<i64>,
    steps: i64,
    count: i64,
    /// What comes before this has been heard in the round before.
    heard: Option<i64>,
}

impl Lane {
    fn step(&self) -> i64 {
        self.steps.checked_div(self.count).filter(|step| *step > 0).unwrap_or(USUAL_STEP)
    }

    /// Where the next frame is to be.
    fn end(&self) -> Option<i64> {
        Some(self.last? + self.step())
    }
}

impl Timeline {
    /// The file begins anew. What it is made of may have changed.
    pub(super) fn begin_round(&mut self) {
        self.offset = None;
        self.lanes
            .iter_mut()
            .for_each(|lane| lane.heard = lane.end().map(|end| end - lane.step() / 2));
    }

    /// The place of a frame that has this time in the file. `None` for sound that would come twice,
    /// because it lasts longer than the pictures of the round before. The first frame of a round is
    /// a picture.
    pub(super) fn place(&mut self, track: TrackId, kind: MediaKind, time: i64) -> Option<Place> {
        let lane = usize::from(track.0);
        if self.lanes.len() <= lane {
            self.lanes.resize(lane + 1, Lane::default());
        }
        let offset = self.offset(lane, time);
        let at = time.saturating_add(offset);
        let known = &mut self.lanes[lane];
        if kind == MediaKind::Audio && known.heard.is_some_and(|heard| at < heard) {
            return None;
        }
        let step = known.last.map(|last| at - last).filter(|step| (1..=MAX_AHEAD).contains(step));
        known.steps += step.unwrap_or(0);
        known.count += i64::from(step.is_some());
        known.last = Some(known.last.map_or(at, |last| last.max(at)));
        let due = match kind {
            MediaKind::Video => {
                self.pictures = self.lanes[lane].end().unwrap_or(at);
                at
            }
            // What lasts a little longer comes a little early instead of holding the next round.
            MediaKind::Audio if at <= self.pictures + OVERHANG => at.min(self.pictures),
            MediaKind::Audio => at,
        };
        Some(Place { offset, due })
    }

    fn offset(&mut self, lane: usize, time: i64) -> i64 {
        let last = self.lanes[lane].last;
        let offset = match (self.offset, last) {
            (Some(offset), Some(last)) => {
                let advance = time.saturating_add(offset).saturating_sub(last);
                match (-MAX_BACK..=MAX_AHEAD).contains(&advance) {
                    true => offset,
                    false => (last + self.lanes[lane].step()).saturating_sub(time),
                }
            }
            (Some(offset), None) => offset,
            (None, _) => self.seam().saturating_sub(time),
        };
        self.offset = Some(offset);
        offset
    }

    /// Where a new round begins: with the end of the pictures, unless much sound follows them.
    fn seam(&self) -> i64 {
        let ends = self.lanes.iter().filter_map(Lane::end);
        ends.map(|end| end - OVERHANG).fold(self.pictures, i64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIDEO: (TrackId, MediaKind) = (TrackId(0), MediaKind::Video);
    const AUDIO: (TrackId, MediaKind) = (TrackId(1), MediaKind::Audio);

    fn place(
        timeline: &mut Timeline,
        (track, kind): (TrackId, MediaKind),
        ms: i64,
    ) -> Option<(i64, i64)> {
        let time = ms * 1_000_000;
        timeline
            .place(track, kind, time)
            .map(|place| ((time + place.offset) / 1_000_000, place.due / 1_000_000))
    }

    #[test]
    fn rounds_follow_each_other_without_a_gap() {
        let mut timeline = Timeline::default();
        let mut got = Vec::new();
        for _ in 0..3 {
            timeline.begin_round();
            got.extend((0..5).map(|i| place(&mut timeline, VIDEO, 700 + 40 * i).unwrap().0));
        }
        assert_eq!(got, (0..15).map(|i| i * 40).collect::<Vec<_>>());
    }

    #[test]
    fn sound_stays_with_its_picture_and_never_comes_twice() {
        let mut timeline = Timeline::default();
        for round in 0..3 {
            timeline.begin_round();
            let mut sounds = Vec::new();
            for i in 0..10 {
                assert_eq!(
                    place(&mut timeline, VIDEO, 40 * i),
                    Some((round * 400 + 40 * i, round * 400 + 40 * i))
                );
                sounds.extend((0..2).filter_map(|j| place(&mut timeline, AUDIO, 40 * i + 20 * j)));
            }
            // Sixty milliseconds more than there are pictures.
            sounds.extend((0..3).filter_map(|j| place(&mut timeline, AUDIO, 400 + 20 * j)));
            let first = if round == 0 { 0 } else { round * 400 + 60 };
            assert_eq!(
                sounds.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
                (first..round * 400 + 460).step_by(20).collect::<Vec<_>>()
            );
            assert!(
                sounds.iter().all(|(_, due)| *due <= (round + 1) * 400),
                "the picture is not held up"
            );
        }
    }

    #[test]
    fn a_pause_in_the_sound_costs_no_sound() {
        let mut timeline = Timeline::default();
        timeline.begin_round();
        place(&mut timeline, VIDEO, 0);
        let times = [0, 66, 87, 108, 130];
        assert_eq!(
            times.iter().filter_map(|ms| place(&mut timeline, AUDIO, *ms)).count(),
            times.len()
        );
    }

    #[test]
    fn much_sound_behind_the_pictures_is_heard() {
        let mut timeline = Timeline::default();
        timeline.begin_round();
        place(&mut timeline, VIDEO, 0);
        place(&mut timeline, VIDEO, 40);
        for i in 0..100 {
            place(&mut timeline, AUDIO, 20 * i).unwrap();
        }
        timeline.begin_round();
        assert_eq!(place(&mut timeline, VIDEO, 0), Some((1900, 1900)));
    }

    #[test]
    fn a_jump_of_the_files_times_is_none_of_ours() {
        let mut timeline = Timeline::default();
        let hour = 3_600_000;
        let times = [0, 40, 80, hour, hour + 40, 40, 80, 4080, 8000];
        let got: Vec<_> =
            times.iter().map(|ms| place(&mut timeline, VIDEO, *ms).unwrap().1).collect();
        assert_eq!(got[..7], [0, 40, 80, 120, 160, 200, 240]);
        assert!(got[8] < 400, "pauses of more than three seconds are left out: {got:?}");
    }

    proptest! {
        #[test]
        fn pictures_never_run_back(steps in prop::collection::vec(prop::collection::vec(1i64..2000, 1..20), 1..6), begin in -1000i64..1_000_000) {
            let (mut timeline, mut last) = (Timeline::default(), i64::MIN);
            for round in steps {
                timeline.begin_round();
                let mut ms = begin;
                for step in round {
                    let (at, due) = place(&mut timeline, VIDEO, ms).unwrap();
                    prop_assert!(at > last && due == at);
                    last = at;
                    ms += step;
                }
            }
        }
    }
}
