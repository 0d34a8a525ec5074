//! Which frames a viewer gets of a stream that is more than its link carries.

use super::Estimator;
use media::Mono;
use std::time::Duration;

/// Latency that a frame may have when its last byte is through the narrowest part of the way.
const ALLOWED: Duration = Duration::from_millis(450);
/// The same on a link that carries clearly more than the stream: its queue, of a join or a
/// keyframe, drains by itself.
const ALLOWED_DRAINING: Duration = Duration::from_millis(900);
/// Clearly more.
const AMPLE: f64 = 1.2;
/// A frame that no other needs is the first to go, once the queue is beyond a keyframe that the
/// link takes easily.
const ALLOWED_DISPOSABLE: Duration = Duration::from_millis(200);
/// A keyframe goes if it has to wait no longer than this, or all is through by [`EARLY`]: it is the
/// largest of frames, and all behind it are lost with it.
const NEARLY_EMPTY: Duration = Duration::from_millis(80);
/// The next one being far away, it may wait for this share of the time between them.
const PATIENCE: u32 = 5;
const MAX_PATIENCE: Duration = Duration::from_millis(400);
/// What may be left of the queue when a keyframe is due.
const LEFT_OVER: Duration = Duration::from_millis(40);
const EARLY: Duration = Duration::from_millis(300);
/// The newest group of pictures is worth sending from its keyframe again if that takes no longer
/// than this.
const WORTH_REPLAY: Duration = Duration::from_millis(200);
/// What the stream needs is measured over this long.
const MEASURE: Duration = Duration::from_secs(1);
/// A viewer whose last skipped frame is this long ago gets everything.
const RECOVERED: Duration = Duration::from_secs(3);

/// In a group of pictures that is cut, frames are left out until the next one, a frame interval or
/// a few apart.
const SKIPPING: Duration = Duration::from_millis(500);

/// A frame of pictures that could be sent now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Bytes with all that the link carries of them.
    pub bytes: usize,
    /// Decoding can start here.
    pub key: bool,
    /// No other frame needs it.
    pub disposable: bool,
    /// How long ago it could have been sent: it waited for others to leave.
    pub age: Duration,
    /// It is old because the viewer has just begun, and leads up to the present: its age counts
    /// from that beginning. One that came later is as old as it is, also if those before are not
    /// all through.
    pub catching_up: bool,
}

/// What becomes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is sent.
    Send,
    /// It is left out.
    Skip(Reason),
}

/// Why a frame is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It would arrive too late, or make the next keyframe late.
    Late,
    /// It needs a frame that was left out.
    NeedsSkipped,
    /// The browser does not say what arrives.
    Silent,
}

/// The policy of one viewer.
#[derive(Clone, Copy, Default, Debug)]
pub struct Gate {
    await_key: bool,
    /// When the viewer began.
    began: Option<Mono>,
    congested: Option<Mono>,
    keys: Keys,
    need: Need,
}

impl Gate {
    /// Of a viewer that gets everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides about the next frame. Every frame is asked for once, in order, those that will not
    /// be sent included.
    pub fn decide(&mut self, now: Mono, link: &Estimator, frame: &Frame) -> Verdict {
        self.observe(now, frame);
        let verdict = self.judge(now, link, frame);
        match verdict {
            Verdict::Send => self.await_key &= !frame.key,
            Verdict::Skip(reason) => self.handle_skip(now, frame, reason),
        }
        verdict
    }

    /// True while frames are left out because the link carries too little, and for three seconds
    /// after.
    pub fn is_limited(&self, now: Mono) -> bool {
        self.congested.is_some_and(|at| now.since(at) < RECOVERED)
    }

    /// True while frames are being left out because the link carries too little.
    pub fn is_skipping(&self, now: Mono) -> bool {
        self.congested.is_some_and(|at| now.since(at) < SKIPPING)
    }

    /// What all of the stream needs, in bit/s, averaged over some seconds; `None` during the first.
    pub fn need(&self) -> Option<u64> {
        self.need.rate.map(|rate| (rate * 8.0) as u64)
    }

    /// True if frames are being left out, and beginning again at the newest keyframe, `backlog`
    /// bytes from the present, would bring the picture back at once: after a browser's pause, or
    /// the end of a limit.
    pub fn worth_replay(&self, now: Mono, link: &Estimator, backlog: usize) -> bool {
        self.await_key
            && !link.is_silent()
            && link.queue(now) + link.transit(backlog) <= WORTH_REPLAY
    }

    /// The viewer begins again at a keyframe, of this stream or another.
    pub fn restart(&mut self) {
        self.await_key = false;
        self.began = None;
        self.keys.last = None;
        self.need.since = None;
    }

    fn judge(&self, now: Mono, link: &Estimator, frame: &Frame) -> Verdict {
        if self.await_key && !frame.key {
            return Verdict::Skip(Reason::NeedsSkipped);
        }
        let waited = link.queue(now) + self.age(now, frame);
        let arrives = waited + link.transit(frame.bytes);
        let in_time = match frame.key {
            true => waited <= self.keys.patience() || arrives <= self.allowed_key(link),
            false => arrives <= self.allowed(link, frame) && self.leaves_room(now, link, frame),
        };
        match (link.is_silent() && !frame.key, in_time) {
            (true, _) => Verdict::Skip(Reason::Silent),
            (_, false) => Verdict::Skip(Reason::Late),
            _ => Verdict::Send,
        }
    }

    fn age(&self, now: Mono, frame: &Frame) -> Duration {
        let began = self.began.filter(|_| frame.catching_up);
        began.map_or(frame.age, |began| frame.age.min(now.since(began)))
    }

    fn allowed_key(&self, link: &Estimator) -> Duration {
        if self.is_ample(link) { ALLOWED_DRAINING } else { EARLY }
    }

    fn allowed(&self, link: &Estimator, frame: &Frame) -> Duration {
        match frame.disposable {
            true => ALLOWED_DISPOSABLE,
            false if self.is_ample(link) => ALLOWED_DRAINING,
            false => ALLOWED,
        }
    }

    /// True if the queue behind this frame will be nearly empty when the next keyframe comes, if
    /// that is known.
    fn leaves_room(&self, now: Mono, link: &Estimator, frame: &Frame) -> bool {
        let through = now + link.queue(now) + link.transit(frame.bytes);
        self.is_ample(link)
            || self.keys.next(now - frame.age).is_none_or(|next| through <= next + LEFT_OVER)
    }

    /// True if the link carries clearly more than the stream needs, as far as is known.
    fn is_ample(&self, link: &Estimator) -> bool {
        let known = link.estimate().zip(self.need());
        link.doubts_limit()
            || known.is_none_or(|(carries, needs)| carries as f64 >= needs as f64 * AMPLE)
    }

    fn handle_skip(&mut self, now: Mono, frame: &Frame, reason: Reason) {
        self.await_key |= !frame.disposable;
        if reason == Reason::Late || (reason == Reason::NeedsSkipped && self.is_limited(now)) {
            self.congested = Some(now);
        }
    }

    fn observe(&mut self, now: Mono, frame: &Frame) {
        self.began.get_or_insert(now);
        let came = now - frame.age;
        self.need.observe(came, frame);
        self.keys.observe(came, frame.key);
    }
}

/// When keyframes come.
#[derive(Clone, Copy, Default, Debug)]
struct Keys {
    last: Option<Mono>,
    interval: Option<Duration>,
    regular: bool,
}

impl Keys {
    fn observe(&mut self, came: Mono, key: bool) {
        if !key {
            return;
        }
        if let Some(last) = self.last.replace(came) {
            let passed = came.since(last);
            let before = self.interval.replace(passed);
            self.regular = before.is_some_and(|before| before.abs_diff(passed) * 5 <= before);
        }
    }

    /// How long one may wait before it is better to wait for the next.
    fn patience(&self) -> Duration {
        self.interval.map_or(NEARLY_EMPTY, |interval| {
            (interval / PATIENCE).clamp(NEARLY_EMPTY, MAX_PATIENCE)
        })
    }

    /// When the next one behind a frame that came at this time comes, if they come regularly.
    fn next(&self, came: Mono) -> Option<Mono> {
        let next = self.last? + self.interval.filter(|_| self.regular)?;
        (next > came).then_some(next)
    }
}

/// What a stream needs.
#[derive(Clone, Copy, Default, Debug)]
struct Need {
    since: Option<Mono>,
    bytes: usize,
    /// Bytes a second.
    rate: Option<f64>,
}

impl Need {
    /// Measures from keyframe to keyframe, or over three times as long if there are none.
    fn observe(&mut self, came: Mono, frame: &Frame) {
        let since = *self.since.get_or_insert_with(|| {
            self.bytes = 0;
            came
        });
        let passed = came.since(since);
        if passed >= MEASURE * 3 || (frame.key && passed >= MEASURE - MEASURE / 20) {
            let rate = self.bytes as f64 / passed.as_secs_f64();
            self.rate = Some(self.rate.map_or(rate, |before| (before + rate) / 2.0));
            (self.since, self.bytes) = (Some(came), 0);
        }
        self.bytes += frame.bytes;
    }
}

#[cfg(test)]
mod tests;
