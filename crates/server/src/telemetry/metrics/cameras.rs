//! What is counted of cameras.

use super::{Exposition, Kind};
use crate::cameras::Camera;
use hub::{ReaderKind, State};
use media::Mono;
use std::sync::Arc;

/// Writes all families about cameras and their renditions.
pub(super) fn expose(out: &mut Exposition, cameras: &[Arc<Camera>], now: Mono) {
    states(out, cameras);
    frames(out, cameras, now);
    restarts(out, cameras);
}

fn states(out: &mut Exposition, cameras: &[Arc<Camera>]) {
    let is = |camera: &Camera, state: State| {
        f64::from(u8::from(camera.stream().status().state == state))
    };
    each(out, cameras, "neverblink_camera_up", Kind::Gauge, "1 while frames arrive.", |c| {
        Some(is(c, State::Live))
    });
    let frozen = |c: &Camera| Some(f64::from(u8::from(c.stillness().frozen().is_some())));
    each(
        out,
        cameras,
        "neverblink_camera_frozen",
        Kind::Gauge,
        "1 while frames come of a picture that does not change.",
        frozen,
    );
    out.family("neverblink_camera_state", Kind::Gauge, "1 for the state the camera is in.");
    for camera in cameras {
        for state in State::ALL {
            out.sample(&labels(camera, Some(("state", state.as_str()))), is(camera, state));
        }
    }
}

fn frames(out: &mut Exposition, cameras: &[Arc<Camera>], now: Mono) {
    use Kind::{Counter, Gauge};
    let stats = |c: &Camera| c.stream().stats();
    each(out, cameras, "neverblink_camera_frames_total", Counter, "Video frames received.", |c| {
        Some(stats(c).frames as f64)
    });
    each(
        out,
        cameras,
        "neverblink_camera_keyframes_total",
        Counter,
        "Keyframes among them.",
        |c| Some(stats(c).keyframes as f64),
    );
    each(out, cameras, "neverblink_camera_bytes_total", Counter, "Payload bytes received.", |c| {
        Some(stats(c).bytes as f64)
    });
    each(
        out,
        cameras,
        "neverblink_camera_fps",
        Gauge,
        "Video frames a second over the last seconds.",
        |c| Some(c.rates().fps),
    );
    let age = |c: &Camera| stats(c).newest_at.map(|at| now.since(at).as_secs_f64());
    each(
        out,
        cameras,
        "neverblink_camera_last_frame_age_seconds",
        Gauge,
        "Age of the newest frame.",
        age,
    );
    readers(out, cameras);
    let skipped = |c: &Camera| Some(stats(c).skipped as f64);
    each(
        out,
        cameras,
        "neverblink_camera_skipped_total",
        Counter,
        "Units that slow readers of the stream lost.",
        skipped,
    );
}

/// Readers are no viewers: one muxer or decoder reads for many of them.
fn readers(out: &mut Exposition, cameras: &[Arc<Camera>]) {
    out.family("neverblink_camera_readers", Kind::Gauge, "Readers of the stream, by kind.");
    for camera in cameras {
        let demand = *camera.stream().demand().borrow();
        for kind in ReaderKind::ALL {
            out.sample(&labels(camera, Some(("kind", kind.as_str()))), demand.of(kind) as f64);
        }
    }
}

fn restarts(out: &mut Exposition, cameras: &[Arc<Camera>]) {
    out.family(
        "neverblink_camera_restarts_total",
        Kind::Counter,
        "Times the source was started again, by the fault before.",
    );
    for camera in cameras {
        for (reason, count) in camera.restarts().by_reason {
            out.sample(&labels(camera, Some(("reason", reason))), count as f64);
        }
    }
}

/// One family with one sample a camera, where there is one.
fn each(
    out: &mut Exposition,
    cameras: &[Arc<Camera>],
    name: &'static str,
    kind: Kind,
    help: &str,
    value: impl Fn(&Camera) -> Option<f64>,
) {
    out.family(name, kind, help);
    for camera in cameras {
        if let Some(value) = value(camera) {
            out.sample(&labels(camera, None), value);
        }
    }
}

/// The camera's own picture has no label `rendition`.
fn labels<'a>(camera: &'a Camera, more: Option<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    let rendition = camera.rendition().map(|rendition| ("rendition", rendition));
    [Some(("camera", camera.camera_name())), rendition, more].into_iter().flatten().collect()
}
