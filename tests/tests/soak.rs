//! A day in minutes: faults by chance on nine cameras; at the end nothing is left of them.
//!
//! `NEVERBLINK_SOAK_MINUTES` says how long (one here; `./x bench soak` takes ten),
//! `NEVERBLINK_SOAK_SEED` which faults.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    Line, Player, Server, Usage,
    faults::{Course, Everyone, Patient, treat_all, wait_until_well},
    skip_without, wait_until,
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    thread,
    time::{Duration, Instant},
};

/// The rings fill up first, which is no growth.
const FILLED: Duration = Duration::from_secs(12);
/// From look to look at memory.
const SAMPLE: Duration = Duration::from_secs(2);
/// For what is on its way to be over.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_day_of_faults_leaves_nothing_behind() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let Some(everyone) = Everyone::start().unwrap() else { return };
    let length = Duration::from_secs_f64(60.0 * number("NEVERBLINK_SOAK_MINUTES").unwrap_or(1.0));
    let seed =
        number("NEVERBLINK_SOAK_SEED").map_or_else(|| fastrand::u64(..1 << 32), |seed| seed as u64);
    eprintln!("NEVERBLINK_SOAK_SEED={seed}");
    let server = everyone.server("").unwrap();
    let (treat_until, begun) = (Instant::now() + FILLED + length, Instant::now());
    let treat = |patient: &mut dyn Patient| {
        let mut dice = fastrand::Rng::with_seed(seed_of(seed, patient.name()));
        courses(patient, &server, &mut dice, treat_until)
    };
    let (struck, before, after, memory) =
        treat_all(everyone.patients, &server, treat, |mut ward| {
            let mut players = ["pulled", "sent", "made"]
                .map(|name| Player::ffmpeg(&server.rtsp_url(name), "tcp").unwrap());
            thread::sleep(FILLED.saturating_sub(begun.elapsed()));
            let (before, mut memory) = (Left::of(&server), Vec::new());
            ward.begin();
            while !ward.is_done().unwrap() {
                memory.push(mebibytes(&server));
                thread::sleep(SAMPLE);
            }
            ward.names().iter().for_each(|name| wait_until_well(&server, name).unwrap());
            assert!(
                players.iter_mut().all(|player| player.process().is_running()),
                "a player has ended"
            );
            let after = wait_until("as many processes and descriptors as before", SOON, || {
                let now = Left::of(&server);
                (now.children == before.children
                    && now.usage.descriptors <= before.usage.descriptors + 4)
                    .then_some(now)
            });
            memory.push(mebibytes(&server));
            (
                ward.into_reports().iter().sum::<usize>(),
                before,
                after.unwrap_or_else(|_| Left::of(&server)),
                memory,
            )
        })
        .unwrap();
    let mut line = Line::new("soak: nine cameras struck by chance, then all live");
    line.seen("minutes", length.as_secs_f64() / 60.0).seen("faults", struck as f64);
    line.at_most("children more", after.children as f64 - before.children as f64, 0.0, 0.0);
    line.at_most(
        "descriptors more",
        after.usage.descriptors as f64 - before.usage.descriptors as f64,
        4.0,
        4.0,
    );
    line.at_most(
        "threads more",
        after.usage.threads as f64 - before.usage.threads as f64,
        4.0,
        4.0,
    );
    // The first faults of each kind bring code into memory, and the rings of cameras that came last
    // fill up.
    let at = |part: usize| memory[memory.len() * part / 10 - usize::from(part == 10)];
    line.seen("memory MiB", at(0))
        .seen("after a tenth", at(1))
        .seen("after half", at(5))
        .seen("at the end", at(10));
    line.at_most("memory more MiB than after a tenth", at(10) - at(1), 16.0, 48.0);
    line.finish();
}

/// The same faults come over a camera of this name in every run with the same seed.
fn seed_of(seed: u64, camera: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    camera.hash(&mut hasher);
    seed ^ hasher.finish()
}

/// Resident memory.
fn mebibytes(server: &Server) -> f64 {
    server.usage().unwrap().resident as f64 / f64::from(1 << 20)
}

/// What a server holds of the machine.
struct Left {
    usage: Usage,
    children: usize,
}

impl Left {
    fn of(server: &Server) -> Self {
        Self { usage: server.usage().unwrap(), children: server.workers().len() }
    }
}

/// Faults, one after the other, until it is time to stop; returns how many.
fn courses(
    patient: &mut dyn Patient,
    server: &Server,
    dice: &mut fastrand::Rng,
    until: Instant,
) -> anyhow::Result<usize> {
    let mut struck = 0;
    while Instant::now() < until {
        let fault = dice.choice(patient.faults().iter().copied()).unwrap();
        let lasts = Duration::from_millis(dice.u64(0..4000));
        let course = Course::take(patient, fault, server, lasts, false)?;
        eprintln!("{} {fault:?} for {lasts:?}: back after {:?}", patient.name(), course.back_after);
        struck += 1;
        thread::sleep(
            Duration::from_millis(dice.u64(0..8000))
                .min(until.saturating_duration_since(Instant::now())),
        );
    }
    Ok(struck)
}

fn number(variable: &str) -> Option<f64> {
    std::env::var(variable).ok()?.parse().ok()
}
