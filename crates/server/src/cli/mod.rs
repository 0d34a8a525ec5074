//! The command line. Exit codes: 0 fine, 1 failed, 2 wrong usage or config.
#![allow(
    clippy::print_stdout,
    reason = "what a command was asked for goes to stdout, logs go to stderr"
)]

mod check;
mod demo;
mod devices;
mod probe;
mod serve;
mod share;

use crate::telemetry::LogArgs;
use clap::{Parser, Subcommand};
use std::{future::Future, process::ExitCode};

/// A camera server that never blinks: any camera to any screen within a few dozen milliseconds.
#[derive(Parser, Debug)]
#[command(
    name = "neverblink",
    version,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Args {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    /// Run with a built-in camera: a moving test picture with a clock. Needs nothing installed.
    Demo(demo::Demo),
    /// Validate a config without running it.
    Check(check::Check),
    /// Connect to a source as the server would, and tell what comes and what to do about it.
    Probe(probe::Probe),
    /// List the cameras of this machine, with the `source:` line to paste.
    Devices(devices::Devices),
}

/// Parses the command line and runs what it asks for.
pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Command::Serve(serve) => serve.run(args.log),
        Command::Demo(demo) => demo.run(args.log),
        Command::Check(check) => check.run(),
        Command::Probe(probe) => probe.run(args.log),
        Command::Devices(devices) => devices.run(),
    }
}

/// Wrong usage or config.
const USAGE: u8 = 2;

/// Runs `work` on a runtime of its own; says on stderr why it failed.
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    share::take();
    match on_runtime(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "neverblink stops");
            ExitCode::FAILURE
        }
    }
}

/// Runs `work` on a runtime of its own.
fn on_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("neverblink")
        .build()?;
    let done = runtime.block_on(work);
    // Whatever still blocks a thread (a name lookup, say) must not hold up the end.
    runtime.shutdown_background();
    done
}
