//! Measurements of neverblink and its peers.
fn main() {}
