use super::{
    checker::{Read, Rules, read},
    *,
};
use bytes::Bytes;
use media::{
    Aac, AccessUnit, CaptureClock, Captured, Catalog, ClockPair, Codec, Mono, Payload, Timing,
    TrackId, Wall, h264, time::rescale,
};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xb2, 0x00, 0xa0, 0x0b, 0x74, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20,
    0x00, 0x00, 0x07, 0x91, 0xe3, 0x06, 0x49,
];
const EVEN: Rules = Rules { even: true };

fn video(pps: u8) -> Codec {
    let pps = Bytes::copy_from_slice(&[0x68, pps]);
    Codec::H264(Some(Arc::new(h264::ParameterSets::parse(Bytes::from_static(SPS), pps).unwrap())))
}

fn aac() -> Codec {
    Codec::Aac(Aac { config: Bytes::from_static(&[0x11, 0x90]), rate: 48_000, channels: 2 })
}

fn catalog() -> Catalog {
    Catalog::new([(video(0), 90_000), (aac(), 48_000)])
}

fn options() -> Options {
    Options {
        part: Duration::from_millis(100),
        segment: Duration::from_secs(1),
        target: Duration::from_secs(4),
        window: 8,
        max_bytes: 32 << 20,
        run: "r".into(),
        first_sequence: 7,
    }
}

/// A source, a muxer, and a client that reads every version of the playlist.
struct Bench {
    muxer: Muxer,
    catalog: Catalog,
    rules: Rules,
    /// Presentation time of the last picture, in ticks of 90 kHz, and of the last sound, in ticks
    /// of 48 kHz.
    pts: i64,
    sound: i64,
    seen: Option<Read>,
    /// Whether the rules from version to version hold: not where a source was away for long.
    strict: bool,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        Self {
            muxer: Muxer::new(options()),
            catalog: catalog(),
            rules,
            pts: 0,
            sound: 0,
            seen: None,
            strict: true,
        }
    }

    fn clocks(&self) -> ClockPair {
        ClockPair { mono: Mono::from_nanos(0), wall: Wall::from_micros(1_700_000_000_000_000) }
    }

    fn unit(
        &self,
        track: u8,
        pts: i64,
        ns: i64,
        key: bool,
        discontinuity: bool,
        size: usize,
    ) -> Arc<AccessUnit> {
        let at = Mono::from_nanos(ns.cast_unsigned());
        let timing = Timing {
            captured: Captured { at, clock: CaptureClock::Sensor },
            ..Timing::arrived(at)
        };
        let nal = vec![if key { 0x65 } else { 0x41 }; size];
        let mut unit = AccessUnit::new(
            TrackId(track),
            pts,
            key,
            timing,
            Payload::from_iter([Bytes::from(nal)]),
        );
        unit.discontinuity = discontinuity;
        Arc::new(unit)
    }

    /// The next picture, `step` ticks behind the last, after the sound up to then.
    fn picture(&mut self, step: i64, key: bool, discontinuity: bool, size: usize) {
        self.pts += step;
        while self.sound + 1024 <= rescale(self.pts, 90_000, 48_000) {
            self.sound += 1024;
            let ns = rescale(self.sound, 48_000, 1_000_000_000);
            let unit = self.unit(1, self.sound, ns, true, false, 100);
            self.push(&unit);
        }
        let ns = rescale(self.pts, 90_000, 1_000_000_000);
        let unit = self.unit(0, self.pts, ns, key, discontinuity, size);
        self.push(&unit);
    }

    fn push(&mut self, unit: &Arc<AccessUnit>) {
        let changed = self.muxer.push(&self.clocks(), &self.catalog.clone(), unit);
        let Some(playlist) = self.muxer.playlist().filter(|_| changed) else { return };
        let now = read(&playlist.render(false));
        now.check(self.rules);
        self.check_files(&playlist, &now);
        self.check_delta(&playlist, &now);
        if let Some(seen) = self.seen.as_ref().filter(|_| self.strict) {
            now.check_after(seen);
        }
        self.seen = Some(now);
    }

    fn check_files(&self, playlist: &Playlist, now: &Read) {
        assert!(matches!(playlist.file(&now.hint), File::Next));
        for segment in &now.segments {
            let whole = segment.uri.as_ref().map(|uri| playlist.file(uri));
            assert!(
                whole.is_none_or(|f| matches!(f, File::Segment(parts, _) if !parts.is_empty()))
            );
            assert!(
                segment.map.as_ref().is_none_or(|uri| matches!(playlist.file(uri), File::Init(_)))
            );
        }
        assert!(now.parts().all(|p| matches!(playlist.file(&p.uri), File::Part(..))));
        // A client that has read the version before may still come for what it lists.
        let before = self
            .seen
            .iter()
            .filter(|_| self.strict)
            .flat_map(|seen| seen.segments.iter().filter_map(|s| s.uri.as_ref()));
        before.for_each(|uri| {
            assert!(matches!(playlist.file(uri), File::Segment(..)), "{uri} is gone too soon");
        });
    }

    fn check_delta(&self, playlist: &Playlist, now: &Read) {
        let delta = read(&playlist.render(true));
        let Some(seen) = self.seen.as_ref() else { return };
        if delta.skipped == 0 {
            return assert_eq!(delta, *now, "nothing to skip");
        }
        let mut whole = delta.applied_to(seen);
        if let (Some(first), Some(known)) = (whole.segments.first_mut(), now.segments.first()) {
            first.map.clone_from(&known.map); // a client carries the map on
        }
        assert_eq!(whole, *now);
    }

    /// Seconds of even pictures with a keyframe every `gop`.
    fn run(&mut self, frames: usize, gop: usize) {
        for i in 0..frames {
            self.picture(3000, i % gop == 0, false, 1000);
        }
    }
}

#[test]
fn an_even_stream_is_three_frames_a_part() {
    let mut bench = Bench::new(EVEN);
    bench.run(61, 30);
    assert!(bench.muxer.playlist().is_none(), "not before it is settled");
    bench.muxer.settle(None);
    bench.run(3, 30);
    let now = bench.seen.clone().unwrap();
    assert_eq!((now.target, now.part_target, now.sequence), (2, 0.105, 7));
    assert_eq!(now.segments.iter().map(|s| s.parts.len()).collect::<Vec<_>>(), [10, 10, 1]);
    assert_eq!((now.segments[0].duration, now.segments[0].parts[9].duration), (1.0, 0.1));
    assert_eq!(now.segments[0].date.as_deref(), Some("2023-11-14T22:13:20.033Z"));
    assert!(
        now.independent
            && now.segments[1].parts[0].independent
            && !now.segments[1].parts[1].independent
    );
    assert_eq!(now.hint, "part-r-21.m4s");
    assert_eq!(now.control["PART-HOLD-BACK"], "0.315000", "three parts with sound");
    bench.catalog = Catalog::new([(video(1), 90_000)]);
    bench.run(30 * 20, 30);
    assert_eq!(bench.seen.unwrap().control["PART-HOLD-BACK"], "0.210000", "two without");
}

#[test]
fn players_that_wait_for_a_better_page_begin_right_behind_a_keyframe() {
    for gop in [30, 60, 240] {
        let mut bench = Bench::new(EVEN);
        bench.catalog = Catalog::new([(video(0), 90_000)]);
        bench.run(2 * gop, gop);
        bench.muxer.settle(None);
        bench.run(4 * gop, gop);
        let mut waiting_until = None;
        for i in 0..3 * gop {
            bench.picture(3000, i % gop == 0, false, 1000);
            let better = bench.muxer.playlist().unwrap().better_in();
            assert!(better.is_none_or(|wait| wait.as_millis() <= 1000), "{better:?} of {gop}");
            match (waiting_until, better) {
                // A part lasts three pictures.
                (Some(until), Some(_)) => assert!(i <= until + 3, "came later than said"),
                (None, Some(wait)) => {
                    waiting_until = Some(i + wait.as_millis() as usize * 30 / 1000);
                }
                (_, None) => waiting_until = None,
            }
            // Pictures from a keyframe to where players begin: two parts back from the last one
            // that is complete.
            let begin = (i - i % 3 + gop - 6) % gop;
            let far_from_the_next = begin + 30 <= gop;
            assert!(
                better.is_some() || (1..=6).contains(&begin) || far_from_the_next,
                "{begin} of {gop}"
            );
        }
    }
}

#[test]
fn a_long_run_keeps_the_rules_and_a_bounded_window() {
    let mut bench = Bench::new(EVEN);
    bench.run(70, 30);
    bench.muxer.settle(None);
    bench.run(30 * 120, 30);
    let now = bench.seen.unwrap();
    assert!((16.0..19.0).contains(&now.duration()), "{}", now.duration());
    let playlist = bench.muxer.playlist().unwrap();
    assert!(
        matches!(playlist.file("seg-r-7.m4s"), File::None)
            && matches!(playlist.file("part-r-0.m4s"), File::None)
    );
    assert!(matches!(playlist.file("part-x-1200.m4s"), File::None), "of another run");
    assert!(playlist.render(true).len() < playlist.render(false).len());
}

#[test]
fn a_cold_start_is_playable_after_a_second_although_keyframes_are_rare() {
    let mut bench = Bench::new(EVEN);
    bench.muxer.settle(None);
    bench.run(33, 120);
    let now = bench.seen.clone().unwrap();
    assert_eq!(
        (now.target, now.segments[0].uri.is_some(), now.segments[0].parts.len()),
        (4, true, 10)
    );
    bench.run(600, 120);
    let now = bench.seen.clone().unwrap();
    assert!(!now.independent, "the second began without a keyframe");
    assert!(now.segments[2..5].iter().all(|s| s.duration == 4.0), "{:?}", now.segments);
}

#[test]
fn keyframes_further_apart_than_the_target_do_not_make_longer_segments() {
    let mut bench = Bench::new(EVEN);
    bench.run(70, 30);
    bench.muxer.settle(None);
    bench.run(900, 300);
    let now = bench.seen.unwrap();
    assert!(now.target == 2 && !now.independent);
}

#[test]
fn the_interval_of_keyframes_known_from_before_makes_the_target() {
    let mut bench = Bench::new(EVEN);
    bench.muxer.settle(Some(Duration::from_secs_f64(5.0)));
    bench.run(1000, 150);
    assert_eq!(bench.seen.unwrap().target, 6);
}

#[test]
fn other_parameters_are_a_discontinuity_with_a_map_of_their_own() {
    let mut bench = Bench::new(EVEN);
    bench.run(70, 30);
    bench.muxer.settle(None);
    bench.run(95, 30);
    bench.catalog = Catalog::new([(video(1), 90_000)]);
    bench.run(95, 30);
    let now = bench.seen.clone().unwrap();
    let broken: Vec<_> = now.segments.iter().filter(|s| s.discontinuity).collect();
    assert_eq!((broken.len(), broken[0].map.as_deref()), (1, Some("init-r-1.mp4")));
    let playlist = bench.muxer.playlist().unwrap();
    assert!(playlist.render_variants("x").contains("CODECS=\"avc1.64001f,mp4a.40.2\""));
    bench.run(30 * 20, 30);
    assert_eq!(bench.seen.unwrap().discontinuities, 1, "counted when it has left");
    assert!(
        bench.muxer.playlist().unwrap().render_variants("x").contains("CODECS=\"avc1.64001f\"")
    );
}

#[test]
fn a_publisher_that_was_away_comes_back_in_a_segment_of_its_own() {
    let mut bench = Bench::new(EVEN);
    bench.run(70, 30);
    bench.muxer.settle(None);
    bench.run(95, 30);
    bench.picture(5 * 90_000, true, true, 1000);
    bench.run(80, 30);
    let now = bench.seen.clone().unwrap();
    assert_eq!(now.segments.iter().filter(|s| s.discontinuity).count(), 1);
    assert!(
        now.segments.iter().all(|s| s.duration < 1.4),
        "the time away is no segment: {:?}",
        now.segments
    );
    bench.strict = false;
    bench.picture(60 * 90_000, true, true, 1000);
    bench.run(80, 30);
    let now = bench.seen.unwrap();
    assert!(
        now.duration() < 4.0 && now.segments[0].discontinuity,
        "nothing of what was before a minute"
    );
}

#[test]
fn requests_are_answered_wait_or_are_refused() {
    let mut bench = Bench::new(EVEN);
    bench.run(70, 30);
    bench.muxer.settle(None);
    bench.run(5, 30);
    let playlist = bench.muxer.playlist().unwrap();
    let now = bench.seen.unwrap();
    let open = now.sequence + now.segments.iter().filter(|s| s.uri.is_some()).count() as u64;
    let there = now.segments.last().filter(|s| s.uri.is_none()).map_or(0, |s| s.parts.len() as u64);
    let ask = |sequence: u64, part: Option<u64>| {
        playlist.answer(&Directives { sequence: Some(sequence), part, skip: false })
    };
    assert_eq!(playlist.answer(&Directives::default()), Ok(Answer::Now));
    assert_eq!([ask(0, None), ask(open - 1, None), ask(open - 1, Some(0))], [Ok(Answer::Now); 3]);
    assert_eq!(
        [ask(open, None), ask(open + 1, None), ask(open, Some(there)), ask(open + 1, Some(0))],
        [Ok(Answer::Wait); 4]
    );
    assert_eq!(ask(open + 2, None), Err(BadDirectives::TooFarAhead(open + 2)));
    assert!(there > 0 && ask(open, Some(there - 1)) == Ok(Answer::Now));
    assert_eq!(ask(open - 1, Some(99)), Ok(Answer::Now), "is the first part of the next");
    assert_eq!(ask(open, Some(there + 28)), Ok(Answer::Wait));
    assert!(ask(open, Some(there + 29)).is_err(), "three seconds ahead");
}

#[test]
fn directives_in_a_query() {
    let parsed = Directives::parse("a=b&_HLS_msn=12&_HLS_part=3&_HLS_skip=v2&x");
    assert_eq!(parsed, Ok(Directives { sequence: Some(12), part: Some(3), skip: true }));
    assert_eq!(Directives::parse("_HLS_part=3"), Err(BadDirectives::PartAlone));
    assert_eq!(Directives::parse("_HLS_msn=-1"), Err(BadDirectives::Number("_HLS_msn")));
    assert_eq!(Directives::parse(""), Ok(Directives::default()));
}

#[test]
fn the_multivariant_playlist() {
    let mut bench = Bench::new(EVEN);
    bench.run(130, 30);
    bench.muxer.settle(None);
    let text = bench.muxer.playlist().unwrap().render_variants("hls/media.m3u8");
    let bits = |key: &str| {
        text.split(key).nth(1).unwrap().split(',').next().unwrap().parse::<u64>().unwrap()
    };
    assert!((240_000..320_000).contains(&bits(":BANDWIDTH=")), "{text}");
    assert!(bits("AVERAGE-BANDWIDTH=") <= bits(":BANDWIDTH="));
    assert!(text.contains("CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=30.000\nhls/media.m3u8\n"), "{text}");
}

#[test]
fn sound_alone_is_a_stream_too() {
    let mut bench = Bench::new(EVEN);
    bench.catalog = Catalog::new([(aac(), 48_000)]);
    for i in 0..600_i64 {
        if i == 200 {
            bench.muxer.settle(None);
        }
        let unit = bench.unit(0, i * 1024, i * 21_333_333, true, false, 100);
        bench.push(&unit);
    }
    let now = bench.seen.unwrap();
    assert!(now.independent && (0.1..0.12).contains(&now.part_target), "{}", now.part_target);
    assert!(!bench.muxer.playlist().unwrap().render_variants("x").contains("RESOLUTION"));
}

#[test]
fn a_source_that_becomes_slow_gets_longer_parts() {
    let mut bench = Bench::new(Rules { even: false });
    bench.run(70, 30);
    bench.muxer.settle(None);
    for i in 0..200 {
        bench.picture(18_000, i % 5 == 0, false, 1000);
    }
    let now = bench.seen.unwrap();
    assert!((0.2..0.22).contains(&now.part_target), "{}", now.part_target);
    let late = now.segments.iter().rev().nth(1).unwrap().duration;
    assert!((late - 1.0).abs() < 0.01, "time has caught up: {late}");
}

#[test]
fn memory_is_bounded_whatever_the_bitrate() {
    let mut bench = Bench::new(EVEN);
    bench.muxer = Muxer::new(Options { max_bytes: 1 << 20, ..options() });
    bench.strict = false;
    bench.run(70, 30);
    bench.muxer.settle(None);
    for i in 0..400 {
        bench.picture(3000, i % 30 == 0, false, 100_000);
    }
    let playlist = bench.muxer.playlist().unwrap();
    let held: usize = playlist.segments.iter().map(|s| s.bytes()).sum();
    assert!(held <= 3 << 20, "{held}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn even_streams_keep_all_rules(fps in 5i64..=60, gop in 1usize..150, before in 0usize..200, jitter in 0i64..40) {
        let mut bench = Bench::new(EVEN);
        let step = 90_000 / fps;
        let frames = 30 * fps as usize;
        for i in 0..frames {
            if i == before.min(frames / 2) {
                bench.muxer.settle(None);
            }
            let late = (i as i64 * 7919) % (jitter + 1);
            bench.pts += late;
            bench.picture(step, i % gop == 0, false, 500);
            bench.pts -= late;
        }
        prop_assert!(bench.seen.is_some());
    }

    #[test]
    fn no_source_breaks_the_rules_that_do_not_depend_on_it(
        frames in prop::collection::vec((1i64..20_000, 0u8..30, 0u8..200), 50..700),
        settle in 0usize..100,
    ) {
        let mut bench = Bench::new(Rules { even: false });
        for (i, (step, key, event)) in frames.iter().enumerate() {
            if i == settle {
                bench.muxer.settle(None);
            }
            match event {
                0 => bench.catalog = Catalog::new([(video(i as u8), 90_000)]),
                1 => bench.picture(4 * 90_000, true, true, 10),
                2 => bench.picture(100_000, false, true, 10),
                _ => {}
            }
            bench.picture(*step, *key == 0, false, 500);
        }
    }

    #[test]
    fn no_query_panics(query in "[_HLSmnpartski0-9&=]{0,40}") {
        let _ = Directives::parse(&query);
    }
}
