//! The process where pixels live.

pub mod clock;
pub mod pace;
pub mod picture;
