//! `neverblink serve`.

use super::{USAGE, block_on};
use crate::{app, config, telemetry::LogArgs};
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Serve {
    /// The config file; without it ./neverblink.yml, then /etc/neverblink/neverblink.yml.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self, log: LogArgs) -> ExitCode {
        let loaded = match config::Loader::new(self.config)
            .and_then(|mut loader| Ok((loader.load()?, loader)))
        {
            Ok(loaded) => loaded,
            Err(problems) => {
                eprintln!("{problems}");
                return ExitCode::from(USAGE);
            }
        };
        let (config, loader) = loaded;
        block_on(app::run(config, app::Mode::Serve(loader), log))
    }
}
