//! One viewer behind one link, in virtual time: what the estimator, the gate and the ladder make of
//! it.

#![expect(
    clippy::print_stdout,
    reason = "a table for people, with --nocapture; and the seed that fails"
)]

mod link;
mod scenarios;
mod sender;
mod viewer;

use link::{Conditions, Link, STEP};
use proto::congestion::{Condition, Ladder, Reason};
use sender::{CAMERA, Sender, Video, mono};
use std::collections::VecDeque;
use viewer::{Shown, Viewer};

pub(crate) const SECOND: i64 = 1_000_000;

/// What is simulated.
struct Scenario {
    conditions: Conditions,
    videos: Vec<Video>,
    seconds: i64,
    /// When the viewer joins, in microseconds.
    join: i64,
    /// When its process does not run.
    paused: std::ops::Range<i64>,
    feedback_interval: i64,
    seed: u64,
}

impl Scenario {
    fn new(conditions: Conditions, seconds: i64) -> Self {
        Self {
            conditions,
            videos: vec![CAMERA],
            seconds,
            join: 1_500_000,
            paused: 0..0,
            feedback_interval: 75_000,
            seed: 1,
        }
    }
}

struct Outcome {
    shown: Vec<Shown>,
    skipped: Vec<(i64, Reason)>,
    /// Every tenth of a second: time, estimate, limited.
    state: Vec<(i64, Option<u64>, bool)>,
    /// Moves between renditions: time, to which.
    moves: Vec<(i64, usize)>,
}

impl Outcome {
    fn within(&self, from: i64, to: i64) -> impl Iterator<Item = &Shown> {
        self.shown.iter().filter(move |s| (from * SECOND..to * SECOND).contains(&s.at))
    }

    fn fps(&self, from: i64, to: i64) -> f64 {
        self.within(from, to).count() as f64 / (to - from) as f64
    }

    /// Latency in milliseconds below which this share of frames is.
    fn latency(&self, from: i64, to: i64, share: f64) -> i64 {
        let mut all: Vec<_> = self.within(from, to).map(Shown::latency).collect();
        all.sort_unstable();
        all.get((all.len() as f64 * share) as usize).or(all.last()).map_or(i64::MAX, |us| us / 1000)
    }

    /// Longest time without a new frame, in milliseconds.
    fn freeze(&self, from: i64, to: i64) -> i64 {
        let times: Vec<_> = self.within(from, to).map(|s| s.at).collect();
        times.windows(2).map(|w| (w[1] - w[0]) / 1000).max().unwrap_or(i64::MAX)
    }

    fn limited(&self, from: i64, to: i64) -> f64 {
        let within =
            || self.state.iter().filter(|(at, ..)| (from * SECOND..to * SECOND).contains(at));
        within().filter(|(.., limited)| *limited).count() as f64 / within().count() as f64
    }

    fn estimate(&self, at: i64) -> Option<u64> {
        self.state
            .iter()
            .find(|(when, ..)| *when >= at * SECOND)
            .and_then(|(_, estimate, _)| *estimate)
    }

    fn skipped(&self, from: i64, to: i64) -> usize {
        self.skipped.iter().filter(|(at, _)| (from * SECOND..to * SECOND).contains(at)).count()
    }

    /// For people, with `--nocapture`.
    fn report(&self, name: &str, spans: &[(i64, i64)]) {
        for (from, to) in spans.iter().copied() {
            println!(
                "{name:28} {from:3}–{to:<3} s: {:4.1} fps, p50 {:3} p95 {:3} max {:4} ms, freeze {:4} ms, {:4} skipped, {:?} bit/s",
                self.fps(from, to),
                self.latency(from, to, 0.5),
                self.latency(from, to, 0.95),
                self.latency(from, to, 1.0),
                self.freeze(from, to),
                self.skipped(from, to),
                self.estimate(to - 1),
            );
        }
    }
}

/// What has come back by now.
fn due<T>(waiting: &mut VecDeque<(i64, T)>, now: i64) -> Vec<T> {
    let count = waiting.partition_point(|(at, _)| *at <= now);
    waiting.drain(..count).map(|(_, what)| what).collect()
}

fn run(scenario: &Scenario) -> Outcome {
    let Scenario { conditions, seed, paused, .. } = scenario;
    let mut rng = fastrand::Rng::with_seed(*seed);
    let (mut sender, mut viewer) = (Sender::new(&scenario.videos, *seed), Viewer::default());
    let mut link = Link::new(conditions.clone(), *seed);
    let (mut feedback_due, mut feedback, mut nacks) = (0, VecDeque::new(), VecDeque::new());
    let (mut state, mut moves) = (Vec::new(), Vec::new());
    let mut ladder = Ladder::new(mono(0), 0);
    let needs: Vec<_> =
        scenario.videos.iter().map(|video| Some(video.bits_per_second as u64)).collect();
    let (mut joined, mut wanted) = (false, 0);
    for now in (0..scenario.seconds * SECOND).step_by(STEP as usize) {
        if sender.film(now, joined, wanted) {
            ladder.handle_moved(mono(now), wanted);
            moves.push((now, wanted));
        }
        if !joined && now >= scenario.join {
            joined = true;
            sender.replay();
        }
        sender.step(now, STEP).into_iter().for_each(|packet| link.send(now, packet));
        let running = !paused.contains(&now);
        viewer.receive(now, link.step(now), running);
        if running && now >= feedback_due {
            feedback_due = now + scenario.feedback_interval + rng.i64(-25_000..25_000);
            feedback.extend(
                viewer
                    .feedback()
                    .filter(|_| rng.f64() >= conditions.loss)
                    .map(|bytes| (now + conditions.delay, bytes)),
            );
        }
        if running && now % 1000 == 0 {
            let asked = viewer.nacks(now).into_iter().filter(|_| rng.f64() >= conditions.loss);
            nacks.extend(asked.map(|media| (now + conditions.delay, media)).collect::<Vec<_>>());
        }
        for bytes in due(&mut feedback, now) {
            sender.handle_feedback(now, &bytes);
        }
        for media in due(&mut nacks, now) {
            sender.handle_nack(now, media);
        }
        if now % (SECOND / 10) == 0 {
            let condition = Condition {
                carries: sender.estimator.estimate(),
                skipping: sender.gate.is_skipping(mono(now)),
            };
            wanted = ladder.update(mono(now), condition, &needs);
            state.push((now, sender.estimator.estimate(), sender.gate.is_limited(mono(now))));
        }
    }
    Outcome { shown: viewer.shown, skipped: sender.skipped, state, moves }
}
