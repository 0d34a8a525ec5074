//! Cameras of every kind, each by a program that others wrote, play in Chromium side by side, and
//! nothing is missing.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    Browser, Line, Measured, Server,
    faults::{Everyone, treat_all, wait_until_well},
    strict,
};
use std::time::Instant;

/// The camera that sends JPEG, which browsers show by other means than the others.
const JPEG: &str = "web";
const FPS: f64 = 30.0;
/// Cameras that Chromium plays side by side where it is measured: all encoders are on this machine
/// as well, and take half of it.
const AT_ONCE: usize = 4;

#[test]
fn cameras_of_every_kind_play_in_a_browser_and_nothing_is_missing() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let Some(everyone) = Everyone::start().unwrap() else { return };
    let server = everyone.server("").unwrap();
    let seconds = if strict() { 60.0 } else { 8.0 };
    let lines = treat_all(
        everyone.patients,
        &server,
        |_| Ok(()),
        |ward| watch_all(&browser, &server, ward.names(), seconds),
    );
    Line::finish_all(&lines.unwrap());
}

fn watch_all(browser: &Browser, server: &Server, names: &[String], seconds: f64) -> Vec<Line> {
    let (jpeg, others): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| name == JPEG);
    let at_once = if strict() { AT_ONCE } else { others.len() };
    let mut lines: Vec<_> =
        others.chunks(at_once).flat_map(|names| watch(browser, server, names, seconds)).collect();
    // Whoever reads too slowly gets the newest picture, so that this one reads alone.
    wait_until_well(server, JPEG).unwrap();
    browser.open(JPEG, &server.url("/health")).unwrap();
    let (rates, files) = while_counting(server, &jpeg, || read_jpeg(browser, seconds));
    lines.extend(jpeg.iter().zip(rates).map(|(name, rate)| judge(name, seconds, rate, files)));
    lines
}

/// Some cameras side by side.
fn watch(browser: &Browser, server: &Server, names: &[String], seconds: f64) -> Vec<Line> {
    for name in names {
        wait_until_well(server, name).unwrap();
        browser.watch(name, &server.whep_url(name)).unwrap();
    }
    // The last who joined is live by then.
    browser.measure(&names[0], 3.0).unwrap();
    let (rates, seen) = while_counting(server, names, || {
        let running: Vec<_> =
            names.iter().map(|name| browser.begin_measuring(name, seconds).unwrap()).collect();
        running.into_iter().map(|running| browser.measured(running).unwrap()).collect::<Vec<_>>()
    });
    names.iter().for_each(|name| browser.close(name).unwrap());
    let line = |((name, rate), seen): ((&String, f64), &Measured)| {
        let mut line = judge(name, seconds, rate, seen.decoded_fps());
        line.at_most("freezes", seen.freezes() as f64, 0.0, 2.0);
        line
    };
    names.iter().zip(rates).zip(&seen).map(line).collect()
}

/// Frames a second that the server took in of each camera meanwhile.
fn while_counting<T>(server: &Server, names: &[String], work: impl FnOnce() -> T) -> (Vec<f64>, T) {
    let count =
        || names.iter().map(|name| (Instant::now(), taken_in(server, name))).collect::<Vec<_>>();
    let before = count();
    let done = work();
    let after = count();
    let rate = |((t0, n0), (t1, n1)): (&(Instant, f64), &(Instant, f64))| {
        (n1 - n0) / t1.duration_since(*t0).as_secs_f64()
    };
    (before.iter().zip(&after).map(rate).collect(), done)
}

/// Rates of frames, for what is counted here and there is not counted at the same moments.
fn judge(name: &str, seconds: f64, taken_in: f64, arrived: f64) -> Line {
    let mut line = Line::new(&format!(
        "{name}: played in Chromium for {seconds} s beside cameras of all other kinds"
    ));
    line.at_least("% of the frames it makes taken in", 100.0 * taken_in / FPS, 99.5, 80.0);
    line.at_least("% of these arrived", 100.0 * arrived / taken_in, 99.5, 80.0);
    line
}

fn taken_in(server: &Server, name: &str) -> f64 {
    server.metric(&format!("neverblink_camera_frames_total{{camera=\"{name}\"}}")).unwrap()
}

/// Files a second, as a page reads them.
fn read_jpeg(browser: &Browser, seconds: f64) -> f64 {
    let read = format!(
        "(async () => {{
            const reader = (await fetch('/live/{JPEG}/mjpeg')).body.getReader();
            const text = new TextDecoder('latin1');
            await reader.read();
            const begun = performance.now();
            let [held, files] = ['', 0];
            while (performance.now() < begun + {seconds} * 1000) {{
                held += text.decode((await reader.read()).value);
                const parts = held.split('Content-Type: image/jpeg');
                files += parts.length - 1;
                held = parts.at(-1).slice(-64);
            }}
            await reader.cancel();
            return files / (performance.now() - begun) * 1000;
        }})()"
    );
    browser.evaluate(JPEG, &read).unwrap().as_f64().unwrap()
}
