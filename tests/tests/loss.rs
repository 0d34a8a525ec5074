//! Packets lost on the way to the browser, near and far.
//!
//! Cells that are ignored belong to the whole table of `./x bench must-show loss`; the others hold
//! the promise wherever tests run.

use harness::{
    Browser, DEADLINE, Line, Measured, Server, ServerOptions, command, lan, relay, strict,
};
use std::time::Duration;

const CAMERA: &str =
    "cam: { source: \"test:?width=1280&height=720&fps=30&gop=30&bitrate=2500000&noise=30\" }";
/// Each way, to a viewer far away.
const DELAY: Duration = Duration::from_millis(20);

/// How long each cell is watched.
fn seconds() -> f64 {
    if strict() { 20.0 } else { 10.0 }
}

mod near {
    use super::lose_near as lose;

    #[test]
    #[ignore = "must-show"]
    fn percent_01() {
        lose(1);
    }

    #[test]
    fn percent_03() {
        lose(3);
    }

    #[test]
    #[ignore = "must-show"]
    fn percent_05() {
        lose(5);
    }

    #[test]
    fn percent_10() {
        lose(10);
    }

    #[test]
    #[ignore = "must-show"]
    fn percent_20() {
        lose(20);
    }
}

mod far {
    use super::lose_far as lose;

    #[test]
    #[ignore = "must-show"]
    fn percent_01() {
        lose(1);
    }

    #[test]
    fn percent_03() {
        lose(3);
    }

    #[test]
    #[ignore = "must-show"]
    fn percent_05() {
        lose(5);
    }

    #[test]
    #[ignore = "must-show"]
    fn percent_10() {
        lose(10);
    }

    #[test]
    #[ignore = "must-show"]
    fn percent_20() {
        lose(20);
    }
}

/// Two hosts side by side, of which the viewer's drops packets as they arrive.
fn lose_near(percent: u32) {
    lan::on_a_lan(|lan| {
        if Browser::unavailable() {
            return;
        }
        let host = lan::SERVER;
        let server = Server::start(ServerOptions {
            cameras: CAMERA.into(),
            host,
            ..ServerOptions::default()
        })
        .expect("a server");
        let browser =
            Browser::spawn(lan.at_viewer("node", ["tests/browser/driver.mjs"])).expect("a browser");
        browser.watch("viewer", &server.whep_url("cam")).expect("a picture");
        settle(&browser);
        lan.lose(percent).expect("loss");
        measure(&server, &browser, percent, 0);
    });
}

/// A viewer behind a relay that takes its time and loses packets from the first one on.
fn lose_far(percent: u32) {
    if Browser::unavailable() {
        return;
    }
    let server = Server::with_cameras(CAMERA).expect("a server");
    let way = relay::Way { delay: DELAY, loss_down: percent.into(), loss_up: 0, seed: 7 };
    let relay = relay::Relay::start(server.webrtc(), way).expect("a relay");
    let browser = Browser::spawn(command("node", ["tests/browser/driver.mjs"])).expect("a browser");
    browser
        .watch_by_relay("viewer", &server.whep_url("cam"), relay.address().port())
        .expect("a picture");
    settle(&browser);
    measure(&server, &browser, percent, 2 * DELAY.as_millis());
}

/// A viewer who has just joined watches the newest group of pictures in a hurry.
fn settle(browser: &Browser) {
    browser
        .wait_for("viewer", "player.probe.frames.length > 60", DEADLINE)
        .expect("two seconds of pictures");
}

fn measure(server: &Server, browser: &Browser, percent: u32, round_trip: u128) {
    let published = || server.metric("neverblink_camera_frames_total{").expect("a count of frames");
    let before = published();
    let seen = browser.measure("viewer", seconds()).expect("a measurement");
    judge(percent, round_trip, &seen, (published() - before) / seen.seconds);
}

fn judge(percent: u32, round_trip: u128, seen: &Measured, published: f64) {
    eprintln!("{seen:#?}");
    let mut line = Line::new(&format!(
        "{percent:2} % lost toward Chromium, round trip {round_trip:2} ms, for {} s",
        seconds()
    ));
    let (fps, freezes) = (seen.decoded_fps(), seen.freezes() as f64);
    if percent <= if round_trip == 0 { 10 } else { 3 } {
        line.at_least("fps", fps, 29.0, 26.0).at_most("freezes", freezes, 0.0, 3.0);
    } else {
        // Nothing is promised here but that it goes on.
        line.at_least("fps", fps, 5.0, 5.0).seen("freezes", freezes);
    }
    let latency = |p: Option<f64>| p.unwrap_or(f64::INFINITY);
    // Nobody watched past the relay.
    line.at_least(
        "p50 ms",
        latency(seen.latency_ms.p50),
        round_trip as f64 / 2.0,
        round_trip as f64 / 2.0,
    );
    line.seen("p99 ms", latency(seen.latency_ms.p99)).seen("published fps", published);
    let count = |name: &str| seen.stats[name].as_f64().unwrap_or(0.0);
    line.at_least(
        "packets missed or asked for again",
        count("packetsLost") + count("nackCount"),
        1.0,
        1.0,
    );
    line.finish();
}
