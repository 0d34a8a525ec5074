//! Measurements of neverblink and its peers.
#![forbid(unsafe_code)]

mod canvas;
mod encode;
mod floor;
mod hls;
mod load;
mod picture;
mod process;
mod results;
mod socket;
mod spread;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "neverblink-bench",
    about = "Load clients and measurements for neverblink and its peers"
)]
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
    /// Let many viewers watch a camera by WHEP at once, and measure what they get and what they
    /// cost the server
    WhepLoad(load::Arguments),
    /// Let many viewers watch a camera by low-latency HLS at once, and measure what they get and
    /// what they cost the server
    HlsLoad(hls::Arguments),
    /// Find how many viewers a server holds
    Ramp(load::ramp::Arguments),
    /// Measure what this machine itself needs to encrypt and send the same bytes to as many sockets
    Floor(floor::Arguments),
    /// Put results of one run into one table and one file
    Results(results::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Picture(arguments) => picture::run(&arguments),
        Command::Encode(arguments) => encode::run(&arguments),
        Command::WhepLoad(arguments) => load::run(&arguments),
        Command::HlsLoad(arguments) => hls::run(&arguments),
        Command::Ramp(arguments) => load::ramp::run(&arguments),
        Command::Floor(arguments) => floor::run(&arguments),
        Command::Results(arguments) => results::run(&arguments),
    }
}
