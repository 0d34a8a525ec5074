//! What a viewer's link carries, and what the viewer gets of a stream that is more than that.
//!
//! A camera's encoder serves many viewers and cannot follow the thinnest link, so this is not a
//! controller of a sending rate like draft-ietf-rmcat-gcc-02, though it looks at the same things:
//! groups of packets, the growth of their one-way delay, the rate at which they arrive, loss. The
//! stream is as it is; the question is which of its frames still arrive in time.
//!
//! - [`Estimator`] reads transport-wide feedback ([`crate::rtp::twcc`]) against what was sent. From
//!   the smallest one-way delay of the last seconds it knows how long each packet queued. A group
//!   of packets that was sent faster than it arrived, and queued, tells the link's rate by its
//!   dispersion; this and not the stream's own rate is what makes the estimate, so a stream that
//!   sends little proves nothing wrong. With rate and last known queue it predicts the queue of
//!   this moment, feedback being a round trip and more behind.
//! - [`Gate`] decides frame by frame: a frame goes if it will have arrived within the latency that
//!   is allowed. A group of pictures is cut where it no longer does, early enough for the queue to
//!   be empty when the next keyframe comes.
//! - [`Ladder`] chooses between renditions of different rates.
//!
//! Nothing probes with padding. While a limit is known, packets are paced a quarter faster than it
//! ([`Estimator::pace`]): a limit that holds shows in their dispersion, and one that is gone shows
//! in their arriving as fast as they were sent; then the estimate rises by as much, several times a
//! second.
//!
//! What is not a limit: random loss without a queue, up to 30 %; delays that come and go within a
//! frame; a browser that stops and takes everything at once later; a queue that drains by itself
//! before the next keyframe.

mod capacity;
mod delay;
mod estimator;
mod gate;
mod history;
mod ladder;
mod loss;

pub use estimator::Estimator;
pub use gate::{Frame, Gate, Reason, Verdict};
pub use ladder::{Condition, Ladder};

use media::Mono;

/// Microseconds of `CLOCK_MONOTONIC`, what delays are reckoned in.
const fn micros(at: Mono) -> i64 {
    (at.as_nanos() / 1000).cast_signed()
}
