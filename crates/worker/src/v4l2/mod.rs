//! Cameras of this machine, by the kernel's interface for them (V4L2, `linux/videodev2.h`).
//!
//! What the kernel defines is in `abi`, what cannot be done without `unsafe` in `ioctl`; the rest
//! is ordinary code. There are crates for this, but they generate their structures with libclang
//! when they are built, which not every machine has.
//!
//! Beside cameras there are encoders in hardware (`m2m`). Both speak by either of the kernel's two
//! interfaces, for which `queue` has one word.
//!
//! Absent on purpose: whatever else V4L2 has, pictures whose planes lie in several buffers, and
//! waiting: the user of a `Stream` or a `Session` polls the device beside what else it waits for.

mod abi;
mod coding;
mod controls;
mod device;
mod ioctl;
mod list;
pub mod m2m;
mod modes;
mod queue;
mod stream;

pub use abi::FourCc;
pub(crate) use abi::LETTER;
pub(crate) use coding::{force_keyframe, set_coding};
pub(crate) use controls::{list as list_controls, set as set_controls};
pub use device::{Device, Identity, Unusable};
pub use list::{Found, cameras, in_words};
pub use modes::{Asked, Choice, Format, Interval, Intervals, Mode, Raw, Sizes, choose};
pub(crate) use stream::{Layout, Shot, Stream};
