//! From H.264 with start codes, a frame at a time, to the hub.

use crate::supervise::{Context, Exit};
use bytes::Bytes;
use hub::Publisher;
use media::{
    AccessUnit, CaptureClock, Captured, Catalog, Codec, Mono, Payload, Timing, TrackId,
    bits::split_annex_b,
    h264::{self, ParameterSets, nal},
};
use std::{sync::Arc, time::Duration};

/// Ticks a second.
const CLOCK: u32 = 90_000;
/// A sensor's time that is older than this is none.
const OLDEST: Duration = Duration::from_secs(10);

/// Publishes what an encoder makes, from its first keyframe on.
pub(super) struct Feed<'a> {
    ctx: &'a Context,
    label: &'a Arc<str>,
    /// The encoder makes a keyframe on request.
    makes_keyframes: bool,
    publisher: Option<Publisher>,
    sets: Option<Arc<ParameterSets>>,
    /// What came without a picture, for the next frame that has one.
    before: Payload,
    last: Option<i64>,
}

impl<'a> Feed<'a> {
    /// Publishes as `label`.
    pub(super) fn new(ctx: &'a Context, label: &'a Arc<str>, makes_keyframes: bool) -> Self {
        Self {
            ctx,
            label,
            makes_keyframes,
            publisher: None,
            sets: None,
            before: Payload::new(),
            last: None,
        }
    }

    /// Takes a frame that came at `now`, with the times that are known.
    ///
    /// # Errors
    /// If somebody else publishes.
    pub(super) fn take(
        &mut self,
        now: Mono,
        captured: Option<Mono>,
        encoded: Option<Mono>,
        stream: &Bytes,
    ) -> Result<(), Exit> {
        let passed_over = |unit: &Bytes| matches!(h264::nal_type(unit), nal::AUD | nal::FILLER);
        let mut payload = std::mem::take(&mut self.before);
        payload.extend(split_annex_b(stream).filter(|unit| !passed_over(unit)));
        if !payload.iter().any(|unit| matches!(h264::nal_type(unit), nal::SLICE..=nal::IDR)) {
            // Some encoders write their parameter sets by themselves. More than a few units without
            // a picture are nonsense.
            self.before = if payload.len() <= 8 { payload } else { Payload::new() };
            return Ok(());
        }
        let key = h264::is_key(&payload);
        if key {
            self.describe(&mut payload)?;
        }
        let Some(publisher) = &self.publisher else { return Ok(()) };
        let timing = timing(now, captured, encoded);
        // A published stream never runs backwards.
        let pts = ticks(timing.captured.at).max(self.last.map_or(i64::MIN, |last| last + 1));
        self.last = Some(pts);
        Ok(publisher.push(now, AccessUnit::new(TrackId(0), pts, key, timing, payload))?)
    }

    /// Ends what was begun, for the reason of `exit`.
    pub(super) fn finish(self, exit: &Exit) {
        if let Some(publisher) = self.publisher {
            publisher.finish(self.ctx.clock.now(), exit.words.clone());
        }
    }

    /// Tells readers how to decode from this keyframe on, and sees to it that the keyframe says so
    /// itself.
    fn describe(&mut self, payload: &mut Payload) -> Result<(), Exit> {
        let Some((sps, pps)) = h264::find_sets(payload) else {
            if let Some(sets) = &self.sets {
                payload.insert_many(0, [sets.sps.clone(), sets.pps.clone()]);
            }
            return Ok(());
        };
        if self.sets.as_ref().is_some_and(|sets| (&sets.sps, &sets.pps) == (sps, pps)) {
            return Ok(());
        }
        let Ok(sets) = ParameterSets::parse(sps.clone(), pps.clone()) else { return Ok(()) };
        let sets = self.sets.insert(Arc::new(sets)).clone();
        let catalog = Catalog::new([(Codec::H264(Some(sets)), CLOCK)]);
        match &self.publisher {
            Some(publisher) => publisher.set_catalog(catalog)?,
            None => {
                let publisher = self.ctx.publish(self.label, catalog)?;
                if self.makes_keyframes {
                    publisher.serve_keyframes();
                }
                self.publisher = Some(publisher);
            }
        }
        Ok(())
    }
}

/// A time from the future, or from long ago, is a mistake.
fn timing(now: Mono, captured: Option<Mono>, encoded: Option<Mono>) -> Timing {
    let mut timing = Timing::arrived(now);
    timing.encoded = encoded.filter(|at| *at <= now);
    if let Some(at) = captured.filter(|at| *at <= now && now.since(*at) < OLDEST) {
        timing.captured = Captured { at, clock: CaptureClock::Sensor };
    }
    timing
}

fn ticks(at: Mono) -> i64 {
    let ticks = u128::from(at.as_nanos()) * u128::from(CLOCK) / 1_000_000_000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}
