//! neverblink: a camera server that never blinks.
#![forbid(unsafe_code)]

mod clock;
mod web;

fn main() {}
