//! The process where pixels live.
//!
//! The server re-executes its own binary as `neverblink worker`, and [`main`] takes over. A worker
//! draws or captures, encodes, and sends access units over a socket; or it decodes a camera's
//! stream and sends JPEGs; raw pictures never reach the server, and whatever goes wrong with them
//! stays here.

mod capture;
pub mod clock;
mod colour;
pub mod decoder;
pub mod encoder;
pub mod jpeg;
mod link;
pub mod pace;
pub mod picture;
mod pictures;
mod process;
mod raw;
mod report;
pub mod sandbox;
mod scale;
mod still;
mod tables;
mod test_picture;
pub mod v4l2;

pub use process::main;
