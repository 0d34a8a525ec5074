//! Packets lost on the way to the browser.

use harness::{Browser, DEADLINE, Line, Server, ServerOptions, command, lan, relay};
use std::time::Duration;

const SECONDS: f64 = 20.0;
const CAMERA: &str = "cam: { source: \"test:?width=1280&height=720&fps=30&gop=30&bitrate=2500000&noise=30\" }";

#[test]
fn three_percent() {
    lose(3, |line, fps, freezes| {
        line.at_least("fps decoded", fps, 29.0, 28.0);
        line.at_most("freezes", freezes, 0.0, 1.0);
    });
}

#[test]
fn ten_percent() {
    lose(10, |line, fps, freezes| {
        line.at_least("fps decoded", fps, 28.0, 26.0);
        line.at_most("freezes", freezes, 1.0, 3.0);
    });
}

fn lose(percent: u32, judge: impl Fn(&mut Line, f64, f64) + Sync) {
    lan::on_a_lan(|lan| {
        if Browser::unavailable() {
            return;
        }
        let host = lan::SERVER;
        let server = Server::start(ServerOptions { cameras: CAMERA.into(), host, ..ServerOptions::default() }).expect("a server");
        let browser = Browser::spawn(lan.at_viewer("node", ["tests/browser/driver.mjs"])).expect("a browser");
        browser.watch("viewer", &server.whep_url("cam")).expect("a picture");
        lan.lose(percent).expect("loss");
        let seen = browser.measure("viewer", SECONDS).expect("a measurement");
        eprintln!("{seen:#?}");
        let mut line = Line::new(&format!("{percent} % of the packets to Chromium lost for {SECONDS} s"));
        judge(&mut line, seen.decoded_fps(), seen.freezes() as f64);
        let share = seen.stats["packetsLost"].as_f64().unwrap_or(0.0) + seen.stats["nackCount"].as_f64().unwrap_or(0.0);
        line.at_least("packets missed or asked for again", share, 1.0, 1.0);
        line.finish();
    });
}

/// The far viewer: 20 ms each way, and 3 % lost toward it.
#[test]
fn three_percent_far_away() {
    if Browser::unavailable() {
        return;
    }
    let server = Server::with_cameras(CAMERA).unwrap();
    let way = relay::Way { delay: Duration::from_millis(20), loss_down: 3, loss_up: 0, seed: 7 };
    let relay = relay::Relay::start(server.webrtc(), way).unwrap();
    let browser = Browser::spawn(command("node", ["tests/browser/driver.mjs"])).unwrap();
    browser.watch_by_relay("viewer", &server.whep_url("cam"), relay.address().port()).unwrap();
    browser.wait_for("viewer", "player.probe.frames.length > 60", DEADLINE).unwrap();
    let seen = browser.measure("viewer", SECONDS).unwrap();
    eprintln!("{seen:#?}");
    let mut line = Line::new(&format!("3 % lost at 40 ms of round trip for {SECONDS} s"));
    line.at_most("freezes", seen.freezes() as f64, 0.0, 0.0);
    line.at_least("fps decoded", seen.decoded_fps(), 29.0, 28.0);
    // Nobody watched past the relay.
    line.at_least("p50 ms", seen.latency_ms.p50.unwrap(), 20.0, 20.0);
    line.finish();
}
