//! The server under test.

use crate::{
    DEADLINE, Log, Process, Usage, binary, http, process, usage, wait::wait_for_words, wait_until,
};
use anyhow::{Context, Result, bail};
use nix::{sys::signal::Signal, unistd::Pid};
use serde_json::Value;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// How to start a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// YAML of the `cameras` section's content, for example `front: { source: publish }`.
    pub cameras: String,
    /// More top-level YAML. A `listen` here replaces the one made up.
    pub more: String,
    /// Address to listen on; every port is chosen by the system.
    pub host: IpAddr,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Arguments behind the ones made up.
    pub arguments: Vec<String>,
    /// `--log-level`.
    pub log_level: String,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            cameras: String::new(),
            more: String::new(),
            host: Ipv4Addr::LOCALHOST.into(),
            environment: Vec::new(),
            arguments: Vec::new(),
            log_level: "info".into(),
        }
    }
}

/// Where a server really listens.
#[derive(Clone, Copy, Debug)]
struct Listening {
    http: SocketAddr,
    rtsp: SocketAddr,
    webrtc: SocketAddr,
}

/// A running `neverblink serve` with a configuration of its own.
pub struct Server {
    process: Process,
    listening: Listening,
    options: ServerOptions,
    directory: TempDir,
}

impl Server {
    /// Starts one with these cameras: YAML of the section's content.
    ///
    /// # Errors
    /// If it does not come up; the text holds what it said.
    pub fn with_cameras(cameras: &str) -> Result<Self> {
        Self::start(ServerOptions { cameras: cameras.into(), ..ServerOptions::default() })
    }

    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// If it does not come up; the text holds what it said.
    pub fn start(options: ServerOptions) -> Result<Self> {
        let directory = TempDir::with_prefix("neverblink-test-")?;
        let config = directory.path().join("neverblink.yml");
        std::fs::write(&config, options.yaml())?;
        let mut command = process::command(
            binary("neverblink")?,
            ["serve", "--log-format", "json", "--log-level"],
        );
        command.arg(&options.log_level).arg("-c").arg(&config).args(&options.arguments);
        command.envs(options.environment.iter().cloned()).current_dir(directory.path());
        let mut process = Process::spawn("neverblink", &mut command)?;
        let listening = await_listening(&mut process)?;
        Ok(Self { process, listening, options, directory })
    }

    /// The HTTP address.
    pub fn http(&self) -> SocketAddr {
        self.listening.http
    }

    /// The RTSP address.
    pub fn rtsp(&self) -> SocketAddr {
        self.listening.rtsp
    }

    /// The address of WebRTC's media.
    pub fn webrtc(&self) -> SocketAddr {
        self.listening.webrtc
    }

    /// `http://…` and `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.reachable(self.http()))
    }

    /// Where `camera` is published and played.
    pub fn rtsp_url(&self, camera: &str) -> String {
        format!("rtsp://{}/{camera}", self.reachable(self.rtsp()))
    }

    /// Where `camera` is played by WHEP.
    pub fn whep_url(&self, camera: &str) -> String {
        self.url(&format!("/live/{camera}/whep"))
    }

    fn reachable(&self, at: SocketAddr) -> SocketAddr {
        SocketAddr::new(
            if at.ip().is_unspecified() { self.options.host } else { at.ip() },
            at.port(),
        )
    }

    /// `GET path` with the answer as JSON, whatever its status.
    ///
    /// # Errors
    /// If there is no answer, or it is no JSON.
    pub fn json(&self, path: &str) -> Result<Value> {
        http::get(self.reachable(self.http()), path)?.json()
    }

    /// The value of the first metric whose line begins with `series`.
    ///
    /// # Errors
    /// If there is none.
    pub fn metric(&self, series: &str) -> Result<f64> {
        let text = http::get(self.reachable(self.http()), "/metrics")?.text();
        let line = text
            .lines()
            .find(|l| l.starts_with(series))
            .with_context(|| format!("no {series} in {text}"))?;
        Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
    }

    /// What the API says of a camera.
    ///
    /// # Errors
    /// If there is no such camera.
    pub fn camera(&self, name: &str) -> Result<Value> {
        let answer = http::get(self.reachable(self.http()), &format!("/api/v1/cameras/{name}"))?;
        if answer.status != 200 {
            bail!("camera {name}: {} {}", answer.status, answer.text());
        }
        answer.json()
    }

    /// Waits until the API says that a camera is in `state`, and returns what it says then.
    ///
    /// # Errors
    /// If that does not happen within [`DEADLINE`].
    pub fn wait_for_state(&self, camera: &str, state: &str) -> Result<Value> {
        let mut last = None;
        wait_until(&format!("{camera} being {state}"), DEADLINE, || {
            last = Some(self.camera(camera));
            last.as_ref()?.as_ref().ok().filter(|c| c["state"] == state).cloned()
        })
        .with_context(|| format!("last answer: {last:?}"))
    }

    /// As [`Server::wait_for_state`], for a reason with these words in it.
    ///
    /// # Errors
    /// If that does not happen within `limit`.
    pub fn wait_for_words(
        &self,
        camera: &str,
        state: &str,
        words: &str,
        limit: Duration,
    ) -> Result<Value> {
        wait_for_words(camera, state, words, limit, || self.camera(camera))
    }

    /// Waits until a client that is no viewer yet waits for a picture of the camera: an RTSP player
    /// before its answer to DESCRIBE, a pending `start`.
    ///
    /// # Errors
    /// If that does not happen.
    pub fn wait_for_waiter(&self, camera: &str) -> Result<()> {
        let series = format!("neverblink_camera_readers{{camera=\"{camera}\",kind=\"waiter\"}}");
        wait_until("a client that waits for the camera", DEADLINE, || {
            self.metric(&series).is_ok_and(|waiting| waiting >= 1.0).then_some(())
        })
    }

    /// The log of the server.
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// The running program.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it takes from the machine now.
    ///
    /// # Errors
    /// If it is gone.
    pub fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }

    /// Its worker processes.
    pub fn workers(&self) -> Vec<Pid> {
        usage::children(self.process.pid())
    }

    /// The path of its configuration.
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("neverblink.yml")
    }

    /// A directory that lives as long as the server.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a whole new configuration and sends SIGHUP.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn reload(&self, yaml: &str) -> Result<()> {
        std::fs::write(self.config_path(), yaml)?;
        self.process.signal(Signal::SIGHUP)
    }

    /// The configuration it was started with.
    pub fn yaml(&self) -> String {
        self.options.yaml()
    }
}

impl ServerOptions {
    fn yaml(&self) -> String {
        let host = match self.host {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let mut yaml = String::new();
        if !self.more.lines().any(|l| l.starts_with("listen:")) {
            yaml.push_str(&format!(
                "listen:\n  http: \"{host}:0\"\n  rtsp: \"{host}:0\"\n  webrtc: \"{host}:0\"\n"
            ));
        }
        // A machine may have a place for it that the tests are not to write to.
        if !self.more.lines().any(|l| l.starts_with("state_dir:")) {
            yaml.push_str("state_dir: off\n");
        }
        yaml.push_str(&self.more);
        yaml.push_str("\ncameras:\n");
        for line in self.cameras.lines() {
            yaml.push_str(&format!("  {line}\n"));
        }
        yaml
    }
}

/// The first of two ends: it listens, or it has ended with an error. What is switched off has port
/// 0.
fn await_listening(process: &mut Process) -> Result<Listening> {
    let log = process.log().clone();
    let found = wait_until("the line `listening`", DEADLINE, || {
        let event = log.events().into_iter().find(|e| e["message"] == "listening");
        event.map(Some).or_else(|| (!process.is_running()).then_some(None))
    });
    let Some(event) = found.with_context(|| format!("the server said:\n{}", log.tail(20)))? else {
        bail!("the server did not start; it said:\n{}", log.tail(20));
    };
    let address = |key: &str| -> Result<SocketAddr> {
        let text = event[key].as_str().with_context(|| format!("no `{key}` in {event}"))?;
        let text = if text == "off" { "0.0.0.0:0" } else { text };
        text.parse().with_context(|| format!("`{key}`: {text}"))
    };
    Ok(Listening { http: address("http")?, rtsp: address("rtsp")?, webrtc: address("webrtc")? })
}
