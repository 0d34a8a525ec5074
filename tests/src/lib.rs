//! Harness for black-box tests: the real binary against real peers.
//!
//! ```no_run
//! use harness::{Publisher, Server};
//! # fn main() -> anyhow::Result<()> {
//! let server = Server::with_cameras("front: { source: publish }")?;
//! let _camera = Publisher::start(&server.rtsp_url("front"))?;
//! server.wait_for_state("front", "live")?;
//! # Ok(()) }
//! ```
//! Everything started dies when its handle is dropped. What the processes wrote is printed then,
//! which libtest shows for failed tests only. All waits have a deadline and end with an error that
//! says what was waited for.
//!
//! Handles belong to the thread that made them: a process is killed when its thread ends
//! ([`Process`]).
#![forbid(unsafe_code)]

pub mod ages;
mod binary;
mod browser;
mod camera;
mod clip;
pub mod faults;
mod flash;
mod guest;
mod html_host;
pub mod http;
pub mod lan;
mod line;
mod log;
mod offer;
mod player;
mod process;
mod publish;
pub mod relay;
mod server;
mod skip;
mod usage;
mod wait;
pub mod way;
mod web_camera;
pub mod websocket;
mod whip_camera;

pub use binary::{binary, repository};
pub use browser::{Browser, Joined, Measured, Percentiles, Running, Session, Shown};
pub use camera::Camera;
pub use clip::Clip;
pub use flash::{Flasher, sound_to_picture, sound_to_picture_for_long};
pub use guest::Guest;
pub use html_host::HtmlHost;
pub use line::{Line, strict};
pub use log::Log;
pub use offer::OFFER;
pub use player::{KeyframeWatch, Player};
pub use process::{Process, command};
pub use publish::{Publisher, PublisherOptions, free_udp_port};
pub use server::{Server, ServerOptions};
pub use skip::{has_tool, skip, skip_without};
pub use usage::{Usage, children};
pub use wait::{DEADLINE, wait_until, wall_clock};
pub use web_camera::WebCamera;
pub use whip_camera::WhipCamera;
