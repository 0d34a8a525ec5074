use super::*;
use media::{Codec, Timing, TrackId};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const FOREVER: Duration = Duration::MAX;

fn video() -> Arc<Catalog> {
    Arc::new(Catalog::new([(Codec::H264(None), 90_000), (Codec::Opus { channels: 2 }, 48_000)]))
}

fn unit(track: u8, ms: u64, key: bool, size: usize) -> Arc<AccessUnit> {
    let at = Mono::from_nanos(ms * 1_000_000);
    let payload = smallvec(vec![0; size]);
    Arc::new(AccessUnit::new(TrackId(track), ms as i64 * 90, key, Timing::arrived(at), payload))
}

fn smallvec(bytes: Vec<u8>) -> media::Payload {
    [bytes::Bytes::from(bytes)].into_iter().collect()
}

fn ring(bytes: usize, span: Duration) -> Ring {
    Ring::new(Limits { bytes, span })
}

/// Pushes frames of 1000 bytes at 10 fps with a keyframe every `gop`.
fn fill(ring: &mut Ring, frames: std::ops::Range<u64>, gop: u64) {
    for n in frames {
        ring.push(unit(0, n * 100, n % gop == 0, 1000), video());
    }
}

fn positions(ring: &Ring, cursor: &mut Cursor, max_lag: Duration) -> Vec<(u64, u64)> {
    std::iter::from_fn(|| ring.read(cursor, max_lag)).map(|f| (f.position, f.skipped)).collect()
}

#[test]
fn a_new_reader_begins_at_the_newest_keyframe_or_waits_for_one() {
    let mut ring = ring(1 << 20, 100 * SECOND);
    fill(&mut ring, 0..25, 10);
    let mut newest = ring.cursor(Start::NewestKey);
    let mut next = ring.cursor(Start::NextKey);
    assert_eq!(
        positions(&ring, &mut newest, FOREVER),
        [(20, 0), (21, 0), (22, 0), (23, 0), (24, 0)]
    );
    assert_eq!(positions(&ring, &mut next, FOREVER), []);
    fill(&mut ring, 25..32, 10);
    assert_eq!(positions(&ring, &mut next, FOREVER), [(30, 0), (31, 0)]);
}

#[test]
fn a_reader_that_falls_out_goes_on_at_the_newest_keyframe_and_is_told_how_much_it_lost() {
    let mut ring = ring(20 * 1640, 100 * SECOND);
    fill(&mut ring, 0..12, 10);
    let mut cursor = ring.cursor(Start::NewestKey);
    assert_eq!(positions(&ring, &mut cursor, FOREVER).len(), 2);
    fill(&mut ring, 12..65, 10);
    assert_eq!(positions(&ring, &mut cursor, FOREVER)[..2], [(60, 48), (61, 0)]);
}

#[test]
fn one_that_falls_out_when_no_keyframe_is_held_waits_for_one_and_counts_all() {
    let mut ring = ring(5 * 1640, 100 * SECOND);
    fill(&mut ring, 0..1, 100);
    let mut cursor = ring.cursor(Start::NewestKey);
    assert_eq!(positions(&ring, &mut cursor, FOREVER), [(0, 0)]);
    fill(&mut ring, 1..50, 100);
    assert_eq!(ring.newest_key(), None);
    assert_eq!(positions(&ring, &mut cursor, FOREVER), []);
    fill(&mut ring, 50..99, 100);
    assert_eq!(positions(&ring, &mut cursor, FOREVER), []);
    fill(&mut ring, 99..102, 100);
    assert_eq!(positions(&ring, &mut cursor, FOREVER), [(100, 99), (101, 0)]);
}

#[test]
fn a_reader_further_behind_than_it_likes_jumps_but_never_back_and_not_within_the_newest_gop() {
    let mut ring = ring(1 << 20, 100 * SECOND);
    fill(&mut ring, 0..1, 10);
    let mut cursor = ring.cursor(Start::NewestKey);
    fill(&mut ring, 1..29, 10);
    assert_eq!(ring.lag(&cursor), 28 * SECOND / 10);
    assert_eq!(ring.read(&mut cursor, SECOND).map(|f| (f.position, f.skipped)), Some((20, 20)));
    fill(&mut ring, 29..30, 10);
    let half = SECOND / 2;
    assert_eq!(
        positions(&ring, &mut cursor, half).len(),
        9,
        "all of the newest GOP, although it is too far behind"
    );
}

#[test]
fn without_video_every_unit_of_sound_is_an_entry_point() {
    let mut ring = ring(1 << 20, SECOND);
    let sound = Arc::new(Catalog::new([(Codec::Opus { channels: 2 }, 48_000)]));
    for n in 0..100 {
        ring.push(unit(0, n * 20, true, 100), sound.clone());
    }
    let mut cursor = ring.cursor(Start::NewestKey);
    assert_eq!(positions(&ring, &mut cursor, FOREVER), [(99, 0)]);
    assert!(ring.get(48).is_none() && ring.get(49).is_some(), "holds one second");
}

#[test]
fn sound_is_no_entry_point_where_there_is_video() {
    let mut ring = ring(1 << 20, SECOND);
    ring.push(unit(1, 0, true, 10), video());
    assert_eq!(ring.newest_key(), None);
    ring.push(unit(0, 10, true, 10), video());
    ring.push(unit(1, 20, true, 10), video());
    assert_eq!(ring.newest_key(), Some(1));
}

#[test]
fn tiny_units_do_not_pile_up() {
    let mut ring = ring(1 << 20, SECOND);
    ring.push(unit(0, 0, true, 10), video());
    for _ in 0..100_000 {
        ring.push(unit(1, 1, true, 0), video());
    }
    assert!(ring.entries.len() < 2100, "{}", ring.entries.len());
}

#[test]
fn what_an_earlier_publisher_left_ages_away_and_nobody_starts_in_it() {
    let mut ring = ring(1 << 20, SECOND);
    fill(&mut ring, 0..15, 10);
    ring.close_gop();
    assert!(ring.cursor(Start::NewestKey).await_key);
    ring.push(unit(0, 60_000, false, 10), video());
    assert_eq!(ring.entries.len(), 1);
}

#[test]
fn history_begins_at_the_oldest_keyframe_of_the_publisher_of_now() {
    let mut ring = ring(1 << 20, 10 * SECOND);
    let first = |ring: &Ring| {
        let mut cursor = ring.cursor(Start::OldestKey);
        ring.read(&mut cursor, FOREVER).map(|found| found.position)
    };
    assert_eq!(first(&ring), None);
    ring.push(unit(0, 0, false, 10), video());
    fill(&mut ring, 0..30, 10);
    assert_eq!(first(&ring), Some(1), "not at a frame that nobody can decode");
    ring.close_gop();
    assert_eq!(first(&ring), None, "what an earlier publisher left is no history");
    fill(&mut ring, 30..60, 10);
    assert_eq!(first(&ring), Some(31));
}

#[derive(Clone, Debug)]
enum Op {
    Push { track: u8, ms: u64, key: bool, size: usize },
    Read { reader: usize, units: usize },
    Join(bool),
    CloseGop,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0u8..2, 0u64..400, prop::bool::weighted(0.15), 0usize..4000)
            .prop_map(|(track, ms, key, size)| Op::Push { track, ms, key, size }),
        6 => (0usize..4, 0usize..20).prop_map(|(reader, units)| Op::Read { reader, units }),
        1 => any::<bool>().prop_map(Op::Join),
        1 => Just(Op::CloseGop),
    ]
}

/// All that was ever pushed, which is what the ring may be compared with.
#[derive(Default)]
struct Model {
    units: Vec<Arc<AccessUnit>>,
    /// Newest keyframe that nothing closed since.
    key: Option<usize>,
}

impl Model {
    fn check(&self, ring: &Ring) {
        let held = ring.entries.len();
        let oldest = self.units.len() - held;
        let bytes = |from: usize| self.units[from..].iter().map(|u| cost(u)).sum::<usize>();
        assert_eq!((ring.base, ring.bytes), (oldest as u64, bytes(oldest)));
        assert!(
            ring.bytes <= ring.limits.bytes || held == 1,
            "{} bytes in {held} units",
            ring.bytes
        );
        let span =
            self.units.last().unwrap().timing.published.since(self.units[oldest].timing.published);
        let gop_held = self.key.filter(|key| bytes(*key) <= ring.limits.bytes);
        if let Some(key) = gop_held {
            assert!(oldest <= key && ring.newest_key == Some(key as u64), "the newest GOP is held");
        }
        assert!(span <= ring.limits.span || ring.newest_key == Some(ring.base), "{span:?} held");
        for (n, unit) in self.units.iter().enumerate() {
            let got = ring.get(n as u64);
            assert_eq!(got.map(Arc::as_ptr), (n >= oldest).then_some(Arc::as_ptr(unit)));
        }
    }
}

struct Reader {
    cursor: Cursor,
    expects: Option<u64>,
    max_lag: Duration,
}

impl Reader {
    fn read(&mut self, ring: &Ring) {
        let Some(found) = ring.read(&mut self.cursor, self.max_lag) else { return };
        let entry = is_entry_point(&found.unit, &found.catalog);
        match self.expects {
            None => {
                assert!(entry && found.skipped == 0, "begins at a keyframe, having lost nothing");
            }
            Some(expects) => assert_eq!(
                found.position,
                expects + found.skipped,
                "each unit once, in order, or counted"
            ),
        }
        assert!(found.skipped == 0 || entry, "a skip lands on a keyframe");
        assert!(std::ptr::eq(
            Arc::as_ptr(&found.unit),
            Arc::as_ptr(ring.get(found.position).unwrap())
        ));
        self.expects = Some(found.position + 1);
    }
}

proptest! {
    #[test]
    fn holds_what_it_promises(
        ops in prop::collection::vec(op(), 1..250), bytes in 500usize..40_000, span in 100u64..4000, lag in 100u64..6000,
    ) {
        let mut ring = ring(bytes, Duration::from_millis(span));
        let (mut model, catalog) = (Model::default(), video());
        let mut readers: Vec<Reader> = vec![];
        let mut now = 0;
        for op in ops {
            match op {
                Op::Push { track, ms, key, size } => {
                    now += ms;
                    let unit = unit(track, now, key, size);
                    if key && track == 0 {
                        model.key = Some(model.units.len());
                    }
                    model.units.push(unit.clone());
                    ring.push(unit, catalog.clone());
                    model.check(&ring);
                }
                Op::Read { reader, units } => {
                    let n = readers.len().max(1);
                    if let Some(r) = readers.get_mut(reader % n) {
                        (0..units).for_each(|_| r.read(&ring));
                    }
                }
                Op::Join(newest) => {
                    let cursor = ring.cursor(if newest { Start::NewestKey } else { Start::NextKey });
                    let max_lag = if readers.len().is_multiple_of(2) { FOREVER } else { Duration::from_millis(lag) };
                    let expects = (!cursor.await_key).then_some(cursor.next);
                    readers.push(Reader { cursor, expects, max_lag });
                }
                Op::CloseGop => {
                    ring.close_gop();
                    model.key = None;
                }
            }
        }
    }
}
