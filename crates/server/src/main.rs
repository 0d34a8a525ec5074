//! neverblink: a camera server that never blinks.
#![forbid(unsafe_code)]

mod app;
mod cameras;
mod cli;
mod clock;
mod config;
mod connection;
mod controls;
mod endpoint;
mod error;
mod event;
mod pictures;
mod publication;
mod redact;
mod slate;
mod source;
mod state;
mod stillness;
mod stops;
mod stream_name;
mod supervise;
mod telemetry;
mod viewers;
mod web;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The server executes itself as its workers. Before anything else: a worker is to have one
    // thread and nothing open.
    if std::env::args_os().nth(1).is_some_and(|command| command == "worker") {
        return worker::main();
    }
    cli::main()
}
