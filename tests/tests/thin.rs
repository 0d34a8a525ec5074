//! A viewer whose link carries less than the stream: fewer pictures, not older ones, and nobody
//! else notices.

use harness::{
    Browser, DEADLINE, Line, Measured, Server, ServerOptions, Session, Shown,
    ages::{age, on_screen, percentile, within},
    command,
    lan::{self, Lan},
    strict, wait_until, wall_clock,
};
use serde_json::Value;
use std::{fmt::Write as _, net::IpAddr, thread, time::Duration};

const CAMERA: &str =
    "front: { source: \"test:?width=1280&height=720&fps=30&gop=30&bitrate=2500000&noise=30\" }";
/// The same with a picture that is small enough for the thin link.
const CAMERA_IN_TWO_SIZES: &str = "front:
  source: \"test:?width=1280&height=720&fps=30&gop=30&bitrate=2500000&noise=30\"
  renditions:
    sd: { source: \"test:?width=640&height=360&fps=30&gop=30&bitrate=600000&noise=30\" }";
/// What the link carries of the stream.
const SHARE: f64 = 0.6;
/// Everything is as before this long after the limit has gone, in seconds.
const RECOVERY: f64 = 5.0;
/// How long it is watched from then on, in seconds.
const AFTERWARDS: f64 = 10.0;
/// A move that lasts this long was no such try, in ms.
const A_TRY: f64 = 3e3;
/// What a picture's age is on a link that carries all, in ms.
const NORMAL: f64 = 40.0;

#[test]
fn sixty_percent_of_the_stream() {
    lan::on_a_lan(|lan| {
        if Browser::unavailable() {
            return;
        }
        let watched = Watched::start(lan, CAMERA);
        let kbit = watched.settled_bitrate() / 1e3;
        let limit = SHARE * kbit;
        let seconds = if strict() { 60.0 } else { 20.0 };
        if !lan.limit(limit as u64).expect("a limit") {
            return;
        }
        let wide = watched
            .wide
            .begin_measuring("viewer", seconds + RECOVERY + AFTERWARDS)
            .expect("a page");
        let thin = watched.watch(seconds, &Value::Null);
        lan.limit(0).expect("no limit");
        let lifted = wall_clock();
        watched.watch(RECOVERY, &Value::Null);
        let after = watched.watch(AFTERWARDS, &Value::Null);
        let recovered =
            recovered_after(&watched.thin.shown_since("viewer", lifted).expect("pictures"), lifted);
        let wide = watched.wide.measured(wide).expect("a measurement");
        eprintln!("{thin:#?}\n{after:#?}\nthe other viewer: {wide:#?}");

        let link = format!("a link of {limit:.0} of {kbit:.0} kbit/s");
        Line::finish_all(&[
            judge_thin(&format!("{link} for {seconds} s"), &thin),
            judge_recovery(
                &format!("{RECOVERY} s after {link}, for {AFTERWARDS} s"),
                &after.measured,
                recovered,
            ),
            judge_wide(&format!("next to a viewer behind {link}"), &wide),
        ]);
    });
}

#[test]
fn a_smaller_picture_while_the_link_is_thin() {
    lan::on_a_lan(|lan| {
        if Browser::unavailable() {
            return;
        }
        let watched = Watched::start(lan, CAMERA_IN_TWO_SIZES);
        let kbit = watched.settled_bitrate() / 1e3;
        let session = watched.session();
        // Meanwhile the server may try whether the link carries the larger picture again.
        let tries = if strict() { 30.0 } else { 10.0 };
        assert_eq!(watched.viewer()["rendition"], Value::Null);
        if !lan.limit((SHARE * kbit) as u64).expect("a limit") {
            return;
        }
        let (sd, own) = ("sd".into(), Value::Null);
        let down = watched.moved_to(&sd, 640);
        let small = watched.watch(tries, &sd);
        assert_eq!(
            watched.viewer_at(lan::SERVER)["rendition"],
            Value::Null,
            "the other viewer keeps its picture"
        );
        lan.limit(0).expect("no limit");
        let up = watched.moved_to(&own, 1280);
        let large = watched.watch(AFTERWARDS, &own);
        assert_eq!(watched.session(), session, "the same page, the same session");
        eprintln!("{small:#?}\n{large:#?}");

        let link = format!(
            "with a rendition that fits, a link of {:.0} of {kbit:.0} kbit/s",
            SHARE * kbit
        );
        Line::finish_all(&[
            judge_down(&format!("{link}: moved down, and {tries} s of it"), down, &small),
            judge_up(&format!("{link} gone: moved up, and {AFTERWARDS} s of it"), up, &large),
        ]);
    });
}

/// Two viewers of one server: one at the end of a link that can be made thin, one on the server's
/// own host.
struct Watched {
    server: Server,
    thin: Browser,
    wide: Browser,
}

/// What the viewer behind the thin link saw for some time, and what the server knew of it.
#[derive(Debug)]
struct Stretch {
    measured: Measured,
    /// The 95th percentile of the age when shown, in the worst five seconds.
    worst_p95: f64,
    /// How old the picture on the screen was at any time, in ms; the 95th percentile.
    on_screen_p95: f64,
    /// Frames that the server left out because of the link.
    skipped: f64,
    /// Share of the time in which it was sent the rendition that was expected.
    stayed: f64,
    /// Share of the time in which the viewer is told that its link is too thin.
    limited: f64,
}

impl Watched {
    fn start(lan: &Lan, cameras: &str) -> Self {
        let host = lan::SERVER;
        let server = Server::start(ServerOptions {
            cameras: cameras.into(),
            host,
            ..ServerOptions::default()
        })
        .expect("a server");
        let driver = "tests/browser/driver.mjs";
        let [thin, wide] = [lan.at_viewer("node", [driver]), command("node", [driver])]
            .map(|c| Browser::spawn(c).expect("a browser"));
        for browser in [&thin, &wide] {
            browser.watch("viewer", &server.whep_url("front")).expect("a picture");
        }
        Self { server, thin, wide }
    }

    /// What the server says of the viewer behind the thin link.
    fn viewer(&self) -> Value {
        self.viewer_at(lan::VIEWER)
    }

    /// What it says of the viewer on this host.
    fn viewer_at(&self, host: IpAddr) -> Value {
        let list = self.server.json("/api/v1/viewers").expect("the viewers");
        let there = format!("{host}:");
        let mut viewers = list["viewers"].as_array().expect("a list").iter();
        viewers
            .find(|v| v["address"].as_str().is_some_and(|a| a.starts_with(&there)))
            .expect("the viewer")
            .clone()
    }

    /// The stream's bits a second as the viewer is sent them, when it has seen it for some seconds.
    fn settled_bitrate(&self) -> f64 {
        for browser in [&self.thin, &self.wide] {
            browser
                .wait_for("viewer", "player.probe.frames.length > 180", DEADLINE)
                .expect("six seconds of pictures");
        }
        number(&self.viewer(), "bitrate")
    }

    /// Watches the viewer behind the thin link, and notes every second what the server knows of it.
    fn watch(&self, seconds: f64, rendition: &Value) -> Stretch {
        let (from, before) = (wall_clock(), self.viewer());
        let measuring = self.thin.begin_measuring("viewer", seconds).expect("a page");
        let known: Vec<_> = (0..seconds as u32).map(|_| self.viewer_a_second_later()).collect();
        let measured = self.thin.measured(measuring).expect("a measurement");
        let shown = self.thin.shown_since("viewer", from).expect("pictures");
        eprintln!("{}", table(&known, &shown, from));
        let windows =
            (0..(seconds / 5.0) as u32).map(|i| within(&shown, from + f64::from(i) * 5e3, 5e3));
        let skipped = |v: &Value| number(v, "frames_skipped_congestion");
        Stretch {
            measured,
            worst_p95: windows
                .map(|w| percentile(w.iter().map(age).collect(), 95))
                .fold(0.0, f64::max),
            on_screen_p95: percentile(on_screen(&shown, from + seconds * 1e3), 95),
            skipped: known.last().map_or(0.0, |last| skipped(last) - skipped(&before)),
            stayed: known.iter().filter(|v| v["rendition"] == *rendition).count() as f64
                / known.len() as f64,
            limited: known.iter().filter(|v| v["link_limited"] == true).count() as f64
                / known.len() as f64,
        }
    }

    /// The page's session and the server's name for it.
    fn session(&self) -> (Session, Value) {
        (self.thin.session("viewer").expect("a session"), self.viewer()["id"].clone())
    }

    /// Waits until the viewer is shown another picture, this many pixels wide, and not just for a
    /// try. Says after how many seconds.
    fn moved_to(&self, rendition: &Value, width: u32) -> f64 {
        let (from, mut since) = (wall_clock(), None);
        let there = wait_until("a move", 3 * DEADLINE, || {
            thread::sleep(Duration::from_millis(50));
            let viewer = self.viewer();
            since = since
                .filter(|_| viewer["rendition"] == *rendition)
                .or((viewer["rendition"] == *rendition).then(wall_clock));
            since
                .filter(|since| wall_clock() - since >= A_TRY)
                .map(|since| (viewer, (since - from) / 1e3))
        });
        let (there, seconds) =
            there.unwrap_or_else(|e| panic!("{e:#} to {rendition}: {}", self.viewer()));
        eprintln!("moved to {rendition} after {seconds:.1} s: {there}");
        self.thin
            .wait_for("viewer", &format!("player.video.videoWidth === {width}"), DEADLINE)
            .expect("the other picture");
        let reason = there["rendition_reason"].as_str().unwrap_or_default();
        assert!(!reason.is_empty() && reason != "asked for", "{there}");
        seconds
    }

    fn viewer_a_second_later(&self) -> Value {
        thread::sleep(Duration::from_secs(1));
        self.viewer()
    }
}

fn number(viewer: &Value, key: &str) -> f64 {
    viewer[key].as_f64().unwrap_or(0.0)
}

/// A line a second: what the server knew, and what was seen.
fn table(known: &[Value], shown: &[Shown], from: f64) -> String {
    let mut text = String::from(
        "  s  estimate  needed    sent kbit/s  skipped  limited   loss   rtt ms  playout  fps  p50  p95  max ms  rendition\n",
    );
    for (i, viewer) in known.iter().enumerate() {
        let [estimate, needed, sent] =
            ["estimate", "needed", "bitrate"].map(|key| number(viewer, key) / 1e3);
        let ages: Vec<_> = within(shown, from + i as f64 * 1e3, 1e3).iter().map(age).collect();
        let [p50, p95, max] = [50, 95, 100].map(|p| percentile(ages.clone(), p));
        let _ = writeln!(
            text,
            "{:3}  {estimate:8.0}  {needed:6.0}  {sent:12.0}  {:7}  {:7}  {:5.3}  {:7.1}  {:7.0}  {:3}  {p50:3.0}  {p95:3.0}  {max:6.0}  {}",
            i + 1,
            viewer["frames_skipped_congestion"].to_string(),
            viewer["link_limited"].to_string(),
            number(viewer, "loss"),
            number(viewer, "rtt_ms"),
            number(viewer, "playout_ms"),
            ages.len(),
            viewer["rendition"].as_str().unwrap_or("-"),
        );
    }
    text
}

/// Seconds from `lifted` until everything was shown for two seconds, and young.
fn recovered_after(shown: &[Shown], lifted: f64) -> f64 {
    let good = |from: &&Shown| {
        let two_seconds = within(shown, from.at, 2e3);
        two_seconds.len() >= 58 && percentile(two_seconds.iter().map(age).collect(), 50) <= NORMAL
    };
    shown.iter().find(good).map_or(f64::INFINITY, |f| (f.at - lifted) / 1e3)
}

fn judge_thin(promise: &str, thin: &Stretch) -> Line {
    let mut line = Line::new(promise);
    line.at_most("p95 ms", thin.measured.latency_ms.p95.unwrap_or(f64::INFINITY), 500.0, 700.0);
    line.seen("p50 ms", thin.measured.latency_ms.p50.unwrap_or(f64::INFINITY));
    line.seen("worst p95 of any 5 s", thin.worst_p95)
        .seen("age of what is on the screen, p95 ms", thin.on_screen_p95);
    // Nothing at all would be young, too.
    line.at_least("fps", thin.measured.fps, 5.0, 3.0)
        .seen("longest gap ms", thin.measured.longest_gap_ms);
    line.at_most("backwards", thin.measured.backwards as f64, 0.0, 0.0);
    line.at_least("frames left out", thin.skipped, 1.0, 1.0).at_least(
        "share of the time it is told",
        thin.limited,
        0.5,
        0.5,
    );
    line
}

fn judge_recovery(promise: &str, after: &Measured, recovered: f64) -> Line {
    let mut line = Line::new(promise);
    line.at_most("seconds until two good ones", recovered, RECOVERY, 10.0).at_least(
        "fps",
        after.decoded_fps(),
        29.0,
        26.0,
    );
    line.at_most("freezes", after.freezes() as f64, 0.0, 2.0);
    line.at_most("p50 ms", after.latency_ms.p50.unwrap_or(f64::INFINITY), NORMAL, 100.0);
    line
}

fn judge_down(promise: &str, seconds: f64, then: &Stretch) -> Line {
    let mut line = Line::new(promise);
    line.at_most("after s", seconds, 10.0, 20.0).at_least(
        "share of the time on it",
        then.stayed,
        0.8,
        0.6,
    );
    line.at_most("p95 ms", then.measured.latency_ms.p95.unwrap_or(f64::INFINITY), 500.0, 700.0);
    // A try costs pictures.
    line.at_least("fps", then.measured.decoded_fps(), 27.0, 22.0)
        .seen("freezes", then.measured.freezes() as f64);
    line.seen("p50 ms", then.measured.latency_ms.p50.unwrap_or(f64::INFINITY));
    line
}

fn judge_up(promise: &str, seconds: f64, then: &Stretch) -> Line {
    let mut line = Line::new(promise);
    line.at_most("after s", seconds, 30.0, 60.0).at_least(
        "share of the time on it",
        then.stayed,
        1.0,
        0.8,
    );
    line.at_least("fps", then.measured.decoded_fps(), 29.0, 26.0);
    line.at_most("p50 ms", then.measured.latency_ms.p50.unwrap_or(f64::INFINITY), NORMAL, 100.0);
    line.seen("p95 ms", then.measured.latency_ms.p95.unwrap_or(f64::INFINITY))
        .seen("freezes", then.measured.freezes() as f64);
    line
}

fn judge_wide(promise: &str, wide: &Measured) -> Line {
    let mut line = Line::new(promise);
    line.at_least("fps", wide.decoded_fps(), 29.5, 27.0).at_most(
        "freezes",
        wide.freezes() as f64,
        0.0,
        2.0,
    );
    line.seen("p50 ms", wide.latency_ms.p50.unwrap_or(f64::INFINITY))
        .seen("p99 ms", wide.latency_ms.p99.unwrap_or(f64::INFINITY));
    line
}
