//! neverblink: a camera server that never blinks.
#![forbid(unsafe_code)]

mod clock;
#[allow(dead_code, unused_imports)]
mod supervise;
mod web;

fn main() {}
