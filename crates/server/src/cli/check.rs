//! `neverblink check`.

use super::USAGE;
use crate::config::Loader;
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Check {
    /// The config file; without it ./neverblink.yml, then /etc/neverblink/neverblink.yml.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        let checked = Loader::new(self.config).and_then(|mut loader| Ok((loader.load()?, loader)));
        match checked {
            Ok((config, loader)) => {
                println!("{} is fine: {}", loader.path().display(), config.summary());
                ExitCode::SUCCESS
            }
            Err(problems) => {
                eprintln!("{problems}");
                ExitCode::from(USAGE)
            }
        }
    }
}
