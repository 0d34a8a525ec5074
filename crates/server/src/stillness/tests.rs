use super::*;
use bytes::Bytes;

const S: Duration = Duration::from_secs(1);

fn at(seconds: f64) -> Mono {
    Mono::from_nanos((seconds * 1e9) as u64 + 1_000_000_000_000)
}

/// A camera in virtual time, and everything that was said of it.
struct Sim {
    now: f64,
    judge: Judge,
    look: Look,
    news: Vec<(f64, News)>,
    restarts: Vec<f64>,
}

impl Sim {
    fn new(after: u64, restart: bool) -> Self {
        let policy = Policy { after: S * after as u32, restart };
        Self {
            now: 0.0,
            judge: live(policy),
            look: first(0.0),
            news: Vec::new(),
            restarts: Vec::new(),
        }
    }

    fn tick(&mut self) {
        let Verdict { news, restart } = self.judge.tick(at(self.now), true);
        self.news.extend(news.map(|news| (self.now, news)));
        self.restarts.extend(restart.map(|_| self.now));
    }

    /// Time passes; somebody looks once a second, and sees a change every time if it moves.
    fn pass(&mut self, seconds: u64, moves: bool) {
        for tenth in 0..seconds * 10 {
            self.now = (self.now * 10.0).round() / 10.0 + 0.1;
            if tenth % 10 == 0 {
                self.look.newest = at(self.now);
                if moves {
                    (self.look.since, self.look.moved) = (at(self.now), Some(at(self.now)));
                }
                self.judge.look(at(self.now), self.look, false);
            }
            self.tick();
        }
    }

    /// Another run, whose first picture is looked at.
    fn begin_anew(&mut self) {
        self.look = first(self.now);
    }
}

/// The judge of a camera whose frames come.
fn live(policy: Policy) -> Judge {
    let mut judge = Judge::new(Some(policy));
    judge.tick(at(0.0), true);
    judge
}

fn first(seconds: f64) -> Look {
    Look { since: at(seconds), newest: at(seconds), moved: None }
}

#[test]
fn a_picture_that_moves_is_never_frozen_and_one_that_stands_still_is_in_time_and_until_it_moves() {
    let mut sim = Sim::new(30, false);
    sim.pass(100, true);
    assert_eq!((sim.news.len(), sim.judge.frozen_since()), (0, None));
    sim.pass(29, false);
    assert_eq!(sim.news.len(), 0);
    sim.pass(31, false);
    let [(when, News::Frozen { still, restart: None })] = sim.news[..] else {
        panic!("{:?}", sim.news)
    };
    assert!(
        (129.0..=131.0).contains(&when) && still >= 30 * S && still < 32 * S,
        "{when} {still:?}"
    );
    assert!(sim.judge.frozen_since().is_some_and(|since| at(100.0).since(since) < S * 2));
    sim.pass(3, true);
    assert!(
        matches!(sim.news[1..], [(_, News::Moves(after))] if after > 59 * S && after < 63 * S),
        "{:?}",
        sim.news
    );
    assert_eq!((sim.judge.frozen_since(), sim.restarts.len()), (None, 0));
}

#[test]
fn a_still_scene_is_restarted_ever_more_rarely_and_stays_frozen_meanwhile() {
    let mut sim = Sim::new(30, true);
    sim.pass(5, true);
    for _ in 0..40 {
        let known = sim.restarts.len();
        for _ in 0..600 {
            sim.pass(1, false);
            if sim.restarts.len() > known {
                // The camera is away for a while, and shows the same again.
                sim.now += 3.0;
                sim.begin_anew();
                break;
            }
        }
    }
    let waits: Vec<f64> = sim.restarts.windows(2).map(|pair| (pair[1] - pair[0]).round()).collect();
    assert!(sim.restarts[0] < 37.0 && waits.len() > 7, "{:?}", sim.restarts);
    for (wait, wanted) in
        waits.iter().zip([60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0])
    {
        assert!((wait - wanted).abs() < 5.0, "{waits:?}");
    }
    assert_eq!(sim.news.len(), 1, "{:?}", sim.news);
}

#[test]
fn after_a_restart_that_helped_the_next_one_is_at_once_again() {
    let mut sim = Sim::new(30, true);
    for hang in 1..4 {
        sim.pass(40, false);
        assert_eq!(sim.restarts.len(), hang);
        sim.begin_anew();
        sim.pass(60, true);
    }
    // And a still scene through which somebody passes now and then is not restarted each time.
    sim.pass(600, false);
    let known = sim.restarts.len();
    sim.pass(5, true);
    sim.pass(60, false);
    assert_eq!(sim.restarts.len(), known, "{:?}", sim.restarts);
    assert!(
        matches!(sim.news.last(), Some((_, News::Frozen { restart: Some(wait), .. })) if *wait > 60 * S),
        "{:?}",
        sim.news.last()
    );
}

#[test]
fn what_nobody_looks_at_is_not_frozen() {
    let mut sim = Sim::new(5, false);
    sim.pass(8, false);
    assert!(sim.judge.frozen_since().is_some());
    sim.now += 14.0;
    sim.tick();
    assert!(
        sim.judge.frozen_since().is_some() && sim.judge.wants_look(at(sim.now)),
        "its own look keeps it known"
    );
    sim.now += 3.0;
    sim.tick();
    assert!(sim.judge.frozen_since().is_none() && !sim.judge.wants_look(at(sim.now)));
    // Two looks with the night between them are not a still night.
    sim.begin_anew();
    sim.judge.look(at(sim.now), sim.look, false);
    sim.tick();
    assert_eq!(sim.judge.frozen_since(), None);
    sim.pass(9, false);
    assert!(sim.judge.frozen_since().is_some());
}

#[test]
fn who_sees_more_is_believed_and_one_look_is_not_enough() {
    let mut judge = live(Policy { after: 10 * S, restart: false });
    let still = |seconds| Look { since: at(0.0), newest: at(seconds), moved: None };
    for second in 0..40 {
        let now = at(f64::from(second));
        judge.look(now, still(f64::from(second)), true);
        judge.look(now, Look { since: now, newest: now, moved: Some(now) }, false);
        assert_eq!(judge.tick(now, true), Verdict::default());
    }
    // Keyframes that are further apart than the time asked for.
    let mut judge = live(Policy { after: 10 * S, restart: false });
    let told: Vec<bool> = [0.0, 60.0, 120.0]
        .map(|s| {
            judge.look(at(s), still(s), true);
            judge.tick(at(s), true).news.is_some()
        })
        .to_vec();
    assert_eq!(told, [false, false, true]);
}

#[test]
fn nonsense_of_a_worker_is_no_trouble() {
    let mut judge = live(Policy { after: S, restart: true });
    for (since, newest) in [(u64::MAX, u64::MAX), (u64::MAX, 0), (0, u64::MAX), (5, 3)] {
        judge.look(
            at(1.0),
            Look {
                since: Mono::from_nanos(since),
                newest: Mono::from_nanos(newest),
                moved: Some(Mono::from_nanos(since)),
            },
            false,
        );
        judge.tick(at(1.0), true);
    }
}

#[test]
fn what_is_shown_while_a_camera_sends_nothing_is_not_its_picture() {
    let mut judge = live(Policy { after: 10 * S, restart: false });
    let mut look = |second: u32, since: u32, moved: Option<u32>, live: bool| {
        let [now, since, moved] =
            [Some(second), Some(since), moved].map(|s| s.map(|s| at(f64::from(s))));
        let (now, since) = (now.unwrap(), since.unwrap());
        judge.look(now, Look { since, newest: now, moved }, false);
        judge.tick(now, live).news
    };
    (0..60).for_each(|second| assert_eq!(look(second, 0, None, false), None));
    assert_eq!(
        look(60, 0, None, true),
        None,
        "the slate stood still, the camera has only just come back"
    );
    (61..70).for_each(|second| assert_eq!(look(second, 0, None, true), None));
    assert!((70..73).any(|second| look(second, 0, None, true).is_some()));
    assert_eq!(look(73, 0, None, false), None, "it stalls");
    assert_eq!(look(74, 74, Some(74), false), None, "the slate comes");
    (75..78).for_each(|second| assert_eq!(look(second, 74, Some(74), true), None, "and goes"));
    assert!(matches!(look(78, 78, Some(78), true), Some(News::Moves(_))));
}

#[test]
fn whether_somebody_should_look_who_would_not_otherwise() {
    let mut judge = Judge::new(Some(Policy { after: 10 * S, restart: true }));
    assert!(judge.wants_look(at(0.0)));
    judge.look(at(0.0), first(0.0), true);
    assert!(judge.wants_look(at(0.0)), "its own looks do not make it superfluous");
    judge.look(at(1.0), first(1.0), false);
    assert!(!judge.wants_look(at(2.0)) && judge.wants_look(at(6.0)));
    assert!(
        !Judge::new(None).wants_look(at(0.0))
            && !Judge::new(Some(Policy { after: S, restart: false })).wants_look(at(0.0))
    );
}

#[test]
fn the_same_file_again_is_a_still_picture() {
    let mut files = Files::default();
    let [a, b] = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
    let told = |look: Option<Look>| look.map(|l| (l.since, l.newest, l.moved));
    assert_eq!(told(files.look(at(0.0), &a)), Some((at(0.0), at(0.0), None)));
    assert_eq!(told(files.look(at(0.1), &b)), None, "too soon");
    assert_eq!(told(files.look(at(1.0), &Bytes::from(vec![b'a']))), Some((at(0.0), at(1.0), None)));
    assert_eq!(told(files.look(at(2.0), &b)), Some((at(2.0), at(2.0), Some(at(2.0)))));
}

#[test]
fn the_handle_keeps_the_time_of_the_wall_as_it_was_told_first() {
    let stillness = Stillness::default();
    stillness.expect(Some(Policy { after: S, restart: false }));
    let pair =
        |seconds: f64, wall: i64| ClockPair { mono: at(seconds), wall: Wall::from_micros(wall) };
    stillness.tick(pair(0.0, 0), true);
    for second in 0..4 {
        stillness
            .eye(false)
            .tell(at(f64::from(second)), Look { newest: at(f64::from(second)), ..first(0.0) });
        stillness.tick(pair(f64::from(second), i64::from(second) * 1_000_000), true);
    }
    stillness.tick(pair(4.0, 9_000_000), true);
    assert_eq!(
        stillness.frozen(),
        Some((at(0.0), Wall::from_micros(0))),
        "though the wall clock has stepped"
    );
    stillness.expect(None);
    assert_eq!(stillness.frozen(), None);
}

#[test]
fn times_are_said_as_people_say_them() {
    let said =
        [1500, 30_000, 119_000, 120_000, 7_300_000].map(|ms| in_words(Duration::from_millis(ms)));
    assert_eq!(said, ["1.5 s", "30 s", "119 s", "2 min", "2 h"]);
}

#[test]
fn new_times_hold_at_once_and_what_was_seen_is_not_forgotten() {
    let mut sim = Sim::new(30, false);
    sim.pass(2, true);
    sim.pass(20, false);
    assert!(sim.news.is_empty());
    sim.judge.set_policy(Policy { after: S * 10, restart: false });
    sim.tick();
    let [(_, News::Frozen { still, .. })] = sim.news[..] else { panic!("{:?}", sim.news) };
    assert!(still >= S * 19, "{still:?}");
    sim.judge.set_policy(Policy { after: S * 60, restart: false });
    assert_eq!(sim.judge.frozen_since(), None);
}
