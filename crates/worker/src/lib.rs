//! The process where pixels live.
//!
//! The server re-executes its own binary as `neverblink worker`, and [`main`] takes over. A worker draws or captures, encodes, and
//! sends access units over a socket; raw pictures never reach the server, and whatever goes wrong with them stays here.

pub mod clock;
pub mod encoder;
mod link;
pub mod pace;
pub mod picture;
mod process;
mod report;
pub mod sandbox;
mod test_picture;

pub use process::main;
