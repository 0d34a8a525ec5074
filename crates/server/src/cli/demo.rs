//! `neverblink demo`.

use super::block_on;
use crate::{app, config::Config, telemetry::LogArgs};
use std::{net::SocketAddr, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Demo {
    /// Where to serve the page; without it port 8080, or a free one if that is taken.
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Where to serve RTSP; without it port 8554, or a free one if that is taken.
    #[arg(long, value_name = "ADDRESS")]
    rtsp: Option<SocketAddr>,
    /// Where to serve WebRTC media; without it port 8189, or a free one if that is taken.
    #[arg(long, value_name = "ADDRESS")]
    webrtc: Option<SocketAddr>,
    /// The picture, as in a config file.
    #[arg(
        long,
        value_name = "SOURCE",
        default_value = "test:?width=1280&height=720&fps=30&gop=30"
    )]
    source: String,
}

impl Demo {
    pub(super) fn run(self, log: LogArgs) -> ExitCode {
        let any_port = self.http.or(self.rtsp).or(self.webrtc).is_none();
        let config = match Config::demo(&self.source) {
            Ok(config) => config.listening_on(self.http, self.rtsp, self.webrtc),
            Err(problem) => {
                eprintln!("--source: {problem}");
                return ExitCode::from(super::USAGE);
            }
        };
        block_on(app::run(config, app::Mode::Demo { any_port }, log))
    }
}
