//! Everything that goes wrong with a camera of this machine, before the eyes of those who watch it.

use super::{SOON, set};
use anyhow::{Context, Result, ensure};
use harness::{Guest, Line, http, wait_until};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// How often the server is asked: a machine that is played by a program answers slowly.
const ROUND: Duration = Duration::from_millis(100);

/// What befalls the camera, and what must be told of it.
struct Fault {
    what: &'static str,
    strike: fn(&Guest),
    heal: fn(&Guest),
    /// One of these states, unless it may be over before anybody can tell.
    state: Option<&'static str>,
    /// In the reason of a state, or of the last restart.
    words: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        what: "worker killed",
        strike: |g| order(g, "KILL"),
        heal: nothing,
        state: None,
        words: "was killed by signal 9 (SIGKILL)",
    },
    Fault {
        what: "worker stopped",
        strike: |g| order(g, "STOP"),
        heal: nothing,
        state: Some("stalled"),
        words: "no frame for 3 s",
    },
    Fault {
        what: "all pictures left out by the driver",
        strike: |g| leave_out(g, 100),
        heal: |g| leave_out(g, 0),
        state: Some("stalled"),
        words: "no frame for 3 s",
    },
    Fault {
        what: "error of the driver while it runs",
        strike: |g| order(g, "press-Fatal"),
        heal: nothing,
        state: None,
        words: "/dev/video0 has failed: i/o error (EIO)",
    },
    Fault {
        what: "error of the driver at the start",
        strike: |g| {
            order(g, "press-STREAMON");
            order(g, "KILL");
        },
        heal: nothing,
        state: None,
        words: "/dev/video0 does not start with",
    },
    Fault {
        what: "unplugged while it runs",
        strike: |g| order(g, "press-Disconnect"),
        heal: nothing,
        state: None,
        words: "/dev/video0 is gone: no such device",
    },
    Fault {
        what: "taken by another program",
        strike: take_away,
        heal: |g| api(g, "busy/stop"),
        state: Some("offline"),
        words: "is in use by another program",
    },
];

fn nothing(_: &Guest) {}

fn order(guest: &Guest, what: &str) {
    let answer = guest.order(what).unwrap();
    assert_eq!(answer.trim(), "done", "{what}");
}

fn api(guest: &Guest, order: &str) {
    let answer =
        http::request(guest.http(), "POST", &format!("/api/v1/cameras/{order}"), &[], b"").unwrap();
    assert!(answer.status < 300, "{order}: {} {}", answer.status, answer.text());
}

fn leave_out(guest: &Guest, percent: u32) {
    let (status, answer) =
        set(guest, &format!(r#"{{"percentage_of_dropped_buffers": {percent}}}"#));
    assert!(status < 300, "{answer}");
}

/// Another camera of the config is the other program.
fn take_away(guest: &Guest) {
    api(guest, "raw/stop");
    api(guest, "busy/start?timeout=30&hls=0");
    api(guest, "raw/restart");
}

/// Somebody who watches by multipart JPEG all the while.
pub(super) struct Watcher(Arc<AtomicU64>);

impl Watcher {
    pub(super) fn start(guest: &Guest) -> Result<Self> {
        let mut stream = TcpStream::connect(guest.http())?;
        write!(stream, "GET /live/raw/mjpeg?width=64 HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let watcher = Self(Arc::default());
        let (pictures, mut lines) = (Arc::downgrade(&watcher.0), BufReader::new(stream));
        // Until the connection or the watcher ends.
        thread::spawn(move || {
            let mut line = Vec::new();
            while matches!(lines.by_ref().take(1 << 20).read_until(b'\n', &mut line), Ok(1..)) {
                let Some(pictures) = pictures.upgrade() else { return };
                pictures
                    .fetch_add(u64::from(line.starts_with(b"Content-Type: image/jpeg")), SeqCst);
                line.clear();
            }
        });
        watcher.still_sees_pictures("a reader of JPEG files")?;
        Ok(watcher)
    }

    /// On the same connection.
    fn still_sees_pictures(&self, after: &str) -> Result<()> {
        let goal = self.0.load(SeqCst) + 3;
        wait_until(&format!("new pictures on the same connection: {after}"), SOON, || {
            (self.0.load(SeqCst) >= goal).then_some(())
        })
    }
}

pub(super) fn are_told_and_pass_and_nobody_is_disconnected(guest: &Guest, watcher: &Watcher) {
    let mut courses: Vec<_> = FAULTS.iter().map(|fault| strike(guest, fault)).collect();
    courses.push(a_damaged_picture_is_left_out(guest));
    courses.extend(["640x360", "320x180"].map(|size| resize(guest, size)));
    let (lines, broken): (Vec<_>, Vec<_>) = courses.into_iter().partition(Result::is_ok);
    Line::finish_all(&lines.into_iter().flatten().collect::<Vec<_>>());
    assert!(
        broken.is_empty(),
        "{:?}",
        broken.into_iter().filter_map(Result::err).collect::<Vec<_>>()
    );
    watcher.still_sees_pictures("all faults").unwrap();
}

fn strike(guest: &Guest, fault: &Fault) -> Result<Line> {
    guest.wait_for_words("raw", "live", "")?;
    // Whatever was learned from the fault before about waiting is forgotten.
    api(guest, "raw/start?timeout=5&hls=0");
    let (struck, mut told) = (Instant::now(), Vec::<String>::new());
    let (mut told_after, mut done) = (None, false);
    (fault.strike)(guest);
    while !done {
        ensure!(struck.elapsed() < SOON, "{}: told {told:?}", fault.what);
        let shown = guest.camera("raw")?;
        let said = note(&shown, &mut told);
        told_after = told_after.or_else(|| said.then(|| struck.elapsed()));
        done = is_told(&shown, fault, struck);
        thread::sleep(ROUND);
    }
    (fault.heal)(guest);
    let healed = Instant::now();
    loop {
        let shown = guest.camera("raw").with_context(|| fault.what)?;
        if !note(&shown, &mut told)
            && shown["last_frame_age_ms"]
                .as_u64()
                .is_some_and(|age| u128::from(age) < healed.elapsed().as_millis())
        {
            break;
        }
        ensure!(healed.elapsed() < SOON, "{}: not live again: {shown}; told {told:?}", fault.what);
        thread::sleep(ROUND);
    }
    let mut line = Line::new(&format!("v4l2, {} [{}]", fault.what, told.join(" | ")));
    if let Some(after) = told_after {
        line.at_most("told after ms", after.as_secs_f64() * 1e3, 4500.0, 20_000.0);
    }
    line.at_most("back after ms", healed.elapsed().as_secs_f64() * 1e3, 10_000.0, 40_000.0);
    Ok(line)
}

/// Notes a state that is not live.
fn note(shown: &Value, told: &mut Vec<String>) -> bool {
    let away = shown["state"] != "live";
    let said = format!(
        "{}: {}",
        shown["state"].as_str().unwrap_or_default(),
        shown["reason"].as_str().unwrap_or_default()
    );
    if away && !told.contains(&said) {
        told.push(said);
    }
    away
}

/// It is told now, or, if that may be short, was told of the last restart.
fn is_told(shown: &Value, fault: &Fault, struck: Instant) -> bool {
    let has_words = |text: &Value| text.as_str().is_some_and(|text| text.contains(fault.words));
    let restart = &shown["last_restart"];
    let since = restart["age_ms"]
        .as_u64()
        .is_some_and(|age| u128::from(age) < struck.elapsed().as_millis());
    match fault.state {
        Some(state) => shown["state"] == state && has_words(&shown["reason"]),
        None => since && has_words(&restart["cause"]),
    }
}

/// One bad picture is no reason to begin anew.
fn a_damaged_picture_is_left_out(guest: &Guest) -> Result<Line> {
    let restarts = |shown: &Value| shown["restarts"].as_u64().unwrap();
    let before = guest.wait_for_words("raw", "live", "")?;
    let begun = Instant::now();
    order(guest, "press-BUF_FLAG_ERROR");
    let (mut line, mut gap) = (Line::new("v4l2, a damaged picture"), 0);
    while begun.elapsed() < Duration::from_secs(2) {
        let shown = guest.camera("raw")?;
        ensure!(
            shown["state"] == "live" && restarts(&shown) == restarts(&before),
            "a damaged picture: {shown}"
        );
        gap = gap.max(shown["last_frame_age_ms"].as_u64().unwrap());
        thread::sleep(ROUND);
    }
    line.at_most("longest gap ms", gap as f64, 500.0, 2500.0);
    Ok(line)
}

/// A new config line for the camera that runs.
fn resize(guest: &Guest, size: &str) -> Result<Line> {
    let begun = Instant::now();
    order(guest, &format!("size-{size}"));
    let width: u32 = size.split('x').next().context("a size")?.parse()?;
    wait_until(size, SOON, || {
        let shown = guest.camera("raw").ok()?;
        (shown["state"] == "live" && shown["tracks"][0]["width"] == width).then_some(())
    })?;
    let mut line = Line::new(&format!("v4l2, {size} in the config"));
    line.at_most(
        "live in that size after ms",
        begun.elapsed().as_secs_f64() * 1e3,
        15_000.0,
        40_000.0,
    );
    Ok(line)
}
