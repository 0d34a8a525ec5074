//! The nouns of neverblink: time, tracks, access units, the bits of their codecs, and the
//! containers they go into.
//!
//! Everything here is pure: no I/O, no async, and no clock is read; the
//! time is an argument. An [`AccessUnit`] is immutable once published and shared by [`std::sync::Arc`], so whatever
//! can be derived from it (RTP fragments, the form that MP4 stores) is derived at most once, by
//! whichever reader needs it first.
#![forbid(unsafe_code)]

pub mod aac;
mod access_unit;
pub mod bits;
mod catalog;
pub mod container;
pub mod dts;
pub mod h264;
pub mod h265;
pub mod jpeg;
pub mod mp4;
pub mod opus;
mod rtp_form;
mod thin;
pub mod time;
pub mod ts;

pub use access_unit::{AccessUnit, CaptureClock, Captured, Payload, Timing};
pub use catalog::{Aac, Catalog, Codec, G711Law, MediaKind, Track, TrackId, VideoParams};
pub use rtp_form::{RtpFragment, RtpFragments};
pub use thin::Thin;
pub use time::{ClockPair, Mono, Wall};
