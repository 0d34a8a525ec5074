//! The nouns of neverblink: time, tracks, access units and the bits of their codecs.
//!
//! Everything here is pure: no I/O, no async, and no clock is read; whoever needs the time is given it.
//! An [`AccessUnit`] is immutable once published and shared by [`std::sync::Arc`], so whatever can be derived
//! from it (RTP fragments today) is derived at most once, by whichever reader needs it first.
#![forbid(unsafe_code)]

mod access_unit;
pub mod bits;
mod catalog;
pub mod h264;
pub mod h265;
mod rtp_form;
pub mod time;

pub use access_unit::{AccessUnit, CaptureClock, Captured, Payload, Timing};
pub use catalog::{Aac, Catalog, Codec, G711Law, MediaKind, Track, TrackId, VideoParams};
pub use rtp_form::{RtpFragment, RtpFragments};
pub use time::{ClockPair, Mono, Wall};
