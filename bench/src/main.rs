//! Measurements of neverblink and its peers.
#![forbid(unsafe_code)]

mod encode;
mod picture;
mod spread;
mod whep;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "neverblink-bench", about = "Load clients and measurements for neverblink and its peers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the test picture to stdout as raw I420, in real time, for encoders that read a pipe
    Picture(picture::Arguments),
    /// Measure what drawing and encoding the test picture costs on this machine
    Encode(encode::Arguments),
    /// Let many viewers watch a camera by WHEP at once, and measure what they get and what they cost the server
    WhepLoad(whep::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Picture(arguments) => picture::run(&arguments),
        Command::Encode(arguments) => encode::run(&arguments),
        Command::WhepLoad(arguments) => whep::run(&arguments),
    }
}
