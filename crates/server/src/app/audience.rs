//! Who watches, for the metrics and for the API.

use crate::{
    cameras::Cameras,
    endpoint::webrtc::stats::{BUCKETS, CameraStats, Stats, ViewerStats},
    telemetry::{Collector, Exposition, Kind},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

const PROTOCOL: (&str, &str) = ("protocol", "webrtc");

/// What is counted of WebRTC viewers, as metrics. A camera that never had one counts zero, so that rates have a beginning.
pub(super) fn webrtc(cameras: Cameras, stats: Arc<Stats>) -> Collector {
    Box::new(move |out| {
        let mut counted: BTreeMap<_, _> = cameras.list().iter().map(|c| (c.name().clone(), Arc::default())).collect();
        counted.extend(stats.cameras());
        for (name, kind, help, value) in FAMILIES {
            out.family(name, *kind, help);
            for (camera, stats) in &counted {
                out.sample(&[("camera", camera), PROTOCOL], value(stats).load(Relaxed) as f64);
            }
        }
        ingest_to_send(out, &counted);
    })
}

type Family = (&'static str, Kind, &'static str, fn(&CameraStats) -> &AtomicU64);

const FAMILIES: &[Family] = &[
    ("neverblink_viewers", Kind::Gauge, "Viewers of now.", |s| &s.viewers),
    ("neverblink_viewer_frames_sent_total", Kind::Counter, "Video frames sent, all viewers together.", |s| &s.frames_sent),
    ("neverblink_viewer_frames_skipped_total", Kind::Counter, "Units that viewers lost because they were behind.", |s| {
        &s.frames_skipped
    }),
    ("neverblink_viewer_bytes_sent_total", Kind::Counter, "Bytes sent to viewers.", |s| &s.bytes_sent),
    ("neverblink_webrtc_nacks_total", Kind::Counter, "Requests to send lost packets again.", |s| &s.nacks),
    ("neverblink_webrtc_retransmits_total", Kind::Counter, "Packets sent again.", |s| &s.retransmits),
    ("neverblink_webrtc_retransmits_refused_total", Kind::Counter, "Packets not sent again: too many were asked for.", |s| {
        &s.retransmits_refused
    }),
    ("neverblink_webrtc_plis_total", Kind::Counter, "Keyframe requests of viewers.", |s| &s.plis),
    ("neverblink_webrtc_b_frames_total", Kind::Counter, "Frames that browsers cannot show in order.", |s| &s.b_frames),
    ("neverblink_webrtc_packets_dropped_total", Kind::Counter, "Packets dropped: the send buffer was full.", |s| {
        &s.packets_dropped
    }),
    ("neverblink_webrtc_sends_total", Kind::Counter, "Calls into the kernel for sending.", |s| &s.sends),
];

fn ingest_to_send(out: &mut Exposition, cameras: &BTreeMap<Arc<str>, Arc<CameraStats>>) {
    out.family("neverblink_ingest_to_send_seconds", Kind::Histogram, "From a frame's last byte in to its first packet out.");
    for (camera, stats) in cameras {
        let (buckets, count, sum_us) = stats.ingest_to_send.read();
        let buckets: Vec<_> = BUCKETS.iter().map(|us| *us as f64 / 1e6).zip(buckets).collect();
        out.histogram(&[("camera", camera), PROTOCOL], &buckets, count, sum_us as f64 / 1e6);
    }
}

/// All viewers of now, as the API shows them.
pub(super) fn viewers(stats: Option<&Stats>) -> Vec<Value> {
    stats.map_or_else(Vec::new, |stats| stats.viewers().iter().map(|viewer| view(viewer)).collect())
}

fn view(viewer: &ViewerStats) -> Value {
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    let rtt_us = count(&viewer.rtt_us);
    json!({
        "id": format!("webrtc-{}", viewer.id),
        "protocol": "webrtc",
        "camera": &*viewer.camera,
        "remote": viewer.remote().map(|addr| addr.to_string()),
        "since": viewer.since.to_string(),
        "connected": viewer.connected.load(Relaxed),
        "frames_sent": count(&viewer.frames_sent),
        "frames_skipped": count(&viewer.frames_skipped),
        "bytes_sent": count(&viewer.bytes_sent),
        "retransmits": count(&viewer.retransmits),
        "rtt_ms": (rtt_us > 0).then_some(rtt_us as f64 / 1000.0),
        "loss": count(&viewer.loss_permille) as f64 / 1000.0,
        "playout_ms": count(&viewer.playout_ms),
    })
}
