//! Chromium, driven by `tests/browser/driver.mjs`.

use crate::{DEADLINE, Log, Process, has_tool, process, repository, skip_without, usage};
use anyhow::{Context, Result, bail};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, ChildStdout, Stdio},
    time::Duration,
};

/// A headless Chromium with any number of pages, each with a name of the test's choice.
pub struct Browser {
    process: Process,
    pipes: RefCell<Pipes>,
}

struct Pipes {
    /// Closing it ends the driver.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Answers to commands begun and not yet awaited.
    early: Vec<Answer>,
    next: u64,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    #[serde(default)]
    result: Value,
    error: Option<String>,
}

/// A command that runs in the browser while the test does something else; see [`Browser::finish`].
#[must_use]
pub struct Running(u64);

impl Browser {
    /// `None`, said loudly, on a machine without Node, playwright-core or Chromium.
    ///
    /// # Errors
    /// If they are there and do not work.
    pub fn start() -> Result<Option<Self>> {
        if Self::unavailable() {
            return Ok(None);
        }
        Self::spawn(process::command("node", ["tests/browser/driver.mjs"])).map(Some)
    }

    /// True, said loudly, on a machine without Node, playwright-core or Chromium.
    pub fn unavailable() -> bool {
        skip_without(&["node"]) || skip_without_chromium()
    }

    /// Starts one within `command`'s network namespace, or whatever else it is prefixed with.
    ///
    /// # Errors
    /// If it does not work.
    pub fn spawn(mut command: std::process::Command) -> Result<Self> {
        command.current_dir(repository()).stdin(Stdio::piped());
        let (mut process, answers) = Process::spawn_with_output("browser", &mut command)?;
        let pipes = Pipes {
            commands: process.take_input(),
            answers: BufReader::new(answers),
            early: Vec::new(),
            next: 0,
        };
        let browser = Self { process, pipes: RefCell::new(pipes) };
        browser.call("version", json!({})).context("Chromium does not start")?;
        Ok(browser)
    }

    /// Plays `url` by WHEP in a new page called `name`; returns at the first picture.
    ///
    /// # Errors
    /// If there is none.
    pub fn watch(&self, name: &str, url: &str) -> Result<Joined> {
        self.call_as("watch", json!({ "name": name, "url": url }))
    }

    /// As [`Self::watch`], with the media by way of a relay on `port` of this host.
    ///
    /// # Errors
    /// If there is no picture.
    pub fn watch_by_relay(&self, name: &str, url: &str, port: u16) -> Result<Joined> {
        self.call_as("watch", json!({ "name": name, "url": url, "options": { "relay": port } }))
    }

    /// As [`Self::watch`], asking the server for each frame's capture time.
    ///
    /// # Errors
    /// If there is no picture.
    pub fn watch_with_capture_time(&self, name: &str, url: &str) -> Result<Joined> {
        self.call_as(
            "watch",
            json!({ "name": name, "url": url, "options": { "captureTime": true } }),
        )
    }

    /// Makes a page for [`Self::join`], so that nothing but joining remains to be done then.
    ///
    /// # Errors
    /// If the page cannot be made.
    pub fn prepare(&self, name: &str, url: &str) -> Result<()> {
        self.call("prepare", json!({ "name": name, "url": url })).map(drop)
    }

    /// Plays `url` in a prepared page and leaves three seconds after the POST.
    ///
    /// # Errors
    /// If there is no picture, or no live one.
    pub fn join(&self, name: &str, url: &str) -> Result<Joined> {
        self.call_as("join", json!({ "name": name, "url": url }))
    }

    /// Measures a page for some seconds.
    ///
    /// # Errors
    /// If the page is gone.
    pub fn measure(&self, name: &str, seconds: f64) -> Result<Measured> {
        let measuring = self.begin_measuring(name, seconds)?;
        self.measured(measuring)
    }

    /// Begins to measure while the test goes on; see [`Self::measured`].
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn begin_measuring(&self, name: &str, seconds: f64) -> Result<Running> {
        self.begin("measure", json!({ "name": name, "seconds": seconds }))
    }

    /// What was measured.
    ///
    /// # Errors
    /// If the page is gone.
    pub fn measured(&self, running: Running) -> Result<Measured> {
        Ok(serde_json::from_value(self.finish(running)?)?)
    }

    /// The first frame shown from now on that was captured after `captured` (ms of the wall clock).
    ///
    /// # Errors
    /// If none comes within `limit`.
    pub fn frame_captured_after(
        &self,
        name: &str,
        captured: f64,
        limit: Duration,
    ) -> Result<Shown> {
        self.call_as(
            "frame",
            json!({ "name": name, "captured": captured, "timeout": limit.as_secs_f64() * 1e3 }),
        )
    }

    /// Every frame shown since `from` (ms of the wall clock).
    ///
    /// # Errors
    /// If the page is gone, or not the test's own.
    pub fn shown_since(&self, name: &str, from: f64) -> Result<Vec<Shown>> {
        self.call_as(
            "evaluate",
            json!({ "name": name, "expression": format!("player.shownSince({from})") }),
        )
    }

    /// The WHEP session of a page started by [`Self::watch`].
    ///
    /// # Errors
    /// If there is no such page.
    pub fn session(&self, name: &str) -> Result<Session> {
        self.call_as("state", json!({ "name": name }))
    }

    /// Opens `url` as a person would.
    ///
    /// # Errors
    /// If the page cannot be loaded.
    pub fn open(&self, name: &str, url: &str) -> Result<()> {
        self.call("open", json!({ "name": name, "url": url })).map(drop)
    }

    /// Opens an empty HTML page of the server at `url`, to put things into.
    ///
    /// # Errors
    /// If the page cannot be made.
    pub fn open_empty(&self, name: &str, url: &str) -> Result<()> {
        self.call("openEmpty", json!({ "name": name, "url": url })).map(drop)
    }

    /// As [`Self::open`]; `script` runs before anything of the page does.
    ///
    /// # Errors
    /// If the page cannot be loaded.
    pub fn open_with(&self, name: &str, url: &str, script: &str) -> Result<()> {
        self.call("open", json!({ "name": name, "url": url, "script": script })).map(drop)
    }

    /// As [`Self::open`], for a page that wants a camera: it gets one, 1280x720 at 30 fps, before
    /// which a clock hangs.
    ///
    /// # Errors
    /// If the page cannot be loaded.
    pub fn open_as_camera(&self, name: &str, url: &str) -> Result<()> {
        self.call("openAsCamera", json!({ "name": name, "url": url })).map(drop)
    }

    /// Watches the player for which the JavaScript expression `player` stands, which shows its
    /// pictures within the element `stage`, so that it can be measured.
    ///
    /// # Errors
    /// If it shows nothing in time.
    pub fn probe_player(&self, name: &str, player: &str, stage: &str) -> Result<()> {
        self.call("probePlayer", json!({ "name": name, "player": player, "stage": stage }))
            .map(drop)
    }

    /// Watches the `<video>` or `<img>` for which the JavaScript expression `video` stands, so that
    /// it can be measured.
    ///
    /// # Errors
    /// If it shows nothing in time.
    pub fn probe(&self, name: &str, video: &str) -> Result<()> {
        self.call("probe", json!({ "name": name, "video": video })).map(drop)
    }

    /// The value of a JavaScript expression in a page; a promise is awaited.
    ///
    /// # Errors
    /// If it throws.
    pub fn evaluate(&self, name: &str, expression: &str) -> Result<Value> {
        self.call("evaluate", json!({ "name": name, "expression": expression }))
    }

    /// Waits until a JavaScript expression is true in a page.
    ///
    /// # Errors
    /// If it is not within `limit`.
    pub fn wait_for(&self, name: &str, expression: &str, limit: Duration) -> Result<Value> {
        self.call(
            "wait",
            json!({ "name": name, "expression": expression, "timeout": limit.as_millis() }),
        )
    }

    /// Presses a key, named as in `KeyboardEvent.key`, for whatever has the focus.
    ///
    /// # Errors
    /// If there is no such page or key.
    pub fn press(&self, name: &str, key: &str) -> Result<()> {
        self.call("press", json!({ "name": name, "key": key })).map(drop)
    }

    /// What an accessibility checker finds wrong with a page, a line for each broken rule.
    ///
    /// # Errors
    /// If the checker does not run.
    pub fn accessibility(&self, name: &str) -> Result<Vec<String>> {
        self.call_as("accessibility", json!({ "name": name }))
    }

    /// Closes a page, after ending its session.
    ///
    /// # Errors
    /// If there is none.
    pub fn close(&self, name: &str) -> Result<()> {
        self.call("close", json!({ "name": name })).map(drop)
    }

    /// Plays a clock drawn in the page through two peers in that page: what the measurement itself
    /// costs.
    ///
    /// # Errors
    /// If that does not work.
    pub fn loopback(&self, name: &str) -> Result<()> {
        self.call("loopback", json!({ "name": name })).map(drop)
    }

    /// All processes of Chromium, without the driver.
    pub fn processes(&self) -> Vec<Pid> {
        let mut found = usage::children(self.process.pid());
        let mut at = 0;
        while let Some(pid) = found.get(at) {
            found.extend(usage::children(*pid));
            at += 1;
        }
        found
    }

    /// What the pages wrote on their consoles.
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    fn call_as<T: for<'a> Deserialize<'a>>(&self, command: &str, parameters: Value) -> Result<T> {
        Ok(serde_json::from_value(self.call(command, parameters)?)?)
    }

    fn call(&self, command: &str, parameters: Value) -> Result<Value> {
        let running = self.begin(command, parameters)?;
        self.finish(running).with_context(|| format!("browser: {command}"))
    }

    fn begin(&self, command: &str, mut parameters: Value) -> Result<Running> {
        let mut pipes = self.pipes.borrow_mut();
        pipes.next += 1;
        parameters["id"] = pipes.next.into();
        parameters["command"] = command.into();
        let mut commands = pipes.commands.as_ref().context("the browser has been closed")?;
        commands.write_all(format!("{parameters}\n").as_bytes()).context("the browser is gone")?;
        Ok(Running(pipes.next))
    }

    /// Waits for the end of a command. Every command has its own deadline in the browser.
    ///
    /// # Errors
    /// If the command failed.
    pub fn finish(&self, running: Running) -> Result<Value> {
        let mut pipes = self.pipes.borrow_mut();
        loop {
            if let Some(at) = pipes.early.iter().position(|a| a.id == running.0) {
                let answer = pipes.early.swap_remove(at);
                return answer.error.map_or(Ok(answer.result), |e| bail!("{e}"));
            }
            let mut line = String::new();
            if pipes.answers.read_line(&mut line)? == 0 {
                bail!("the browser ended");
            }
            let answer =
                serde_json::from_str(&line).with_context(|| format!("no answer: {line}"))?;
            pipes.early.push(answer);
        }
    }
}

impl Drop for Browser {
    /// Lets the driver close Chromium and remove its profile. Chromium's children leave the process
    /// group, so that killing would not reach them all.
    fn drop(&mut self) {
        self.pipes.borrow_mut().commands = None;
        let _ = self.process.wait(DEADLINE);
    }
}

fn skip_without_chromium() -> bool {
    let chromium = std::env::var_os("CHROMIUM").is_some()
        || ["chromium", "chromium-browser", "google-chrome"].iter().any(|c| has_tool(c));
    let playwright = repository().join("tests/browser/node_modules/playwright-core").exists();
    !(chromium && playwright) && skip_without(&["chromium with playwright-core"])
}

/// The times of the events of a join, in milliseconds after the POST was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Joined {
    /// The answer came.
    pub answer_ms: Option<f64>,
    /// The connection stood.
    pub connected_ms: Option<f64>,
    /// Something was shown.
    pub first_picture_ms: f64,
    /// Something less than 120 ms old was shown.
    pub first_live_ms: Option<f64>,
    /// Latency from two seconds after the POST to three.
    pub settled_latency_ms: Option<Percentiles>,
}

/// The measurements of some seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Length of the measurement.
    pub seconds: f64,
    /// Frames shown a second, as the browser counts them.
    pub fps: f64,
    /// Frames of the source that the page did not see; it may miss some that were shown, if two
    /// fell into one screen refresh.
    pub missing: u64,
    /// Frames seen again.
    pub repeated: u64,
    /// Frames older than the one before.
    pub backwards: u64,
    /// Frames without a readable clock.
    pub unreadable: u64,
    /// The longest time without a new frame.
    pub longest_gap_ms: f64,
    /// From capture until the page can read the frame.
    pub latency_ms: Percentiles,
    /// From capture until the browser expects the frame to be visible.
    pub latency_displayed_ms: Percentiles,
    /// What the browser counted meanwhile; empty for pages that are not the test's own.
    #[serde(default)]
    pub stats: Value,
}

impl Measured {
    /// Freezes as the browser defines and counts them.
    pub fn freezes(&self) -> u64 {
        self.stats["freezeCount"].as_f64().unwrap_or(0.0) as u64
    }

    /// Frames decoded a second.
    pub fn decoded_fps(&self) -> f64 {
        self.stats["framesDecoded"].as_f64().unwrap_or(0.0) / self.seconds
    }
}

/// Some values in milliseconds, summed up; `None` if there were none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they say what they are")]
pub struct Percentiles {
    pub count: u64,
    pub min: Option<f64>,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// A frame on the screen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// When, in ms of the wall clock.
    pub at: f64,
    /// How long after its capture, if its clock was readable.
    pub latency_ms: Option<f64>,
}

/// A WHEP session as the browser sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// `RTCPeerConnection.connectionState`.
    pub state: String,
    /// The session's URL.
    pub session: String,
}
