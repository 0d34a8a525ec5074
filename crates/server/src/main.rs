//! neverblink: a camera server that never blinks.
#![forbid(unsafe_code)]

mod app;
mod cameras;
mod cli;
mod clock;
mod config;
mod endpoint;
mod error;
#[allow(dead_code, unused_imports)]
mod supervise;
mod telemetry;
mod web;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
