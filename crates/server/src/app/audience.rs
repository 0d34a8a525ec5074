//! Who watches, for the metrics and for the API.

use crate::{
    cameras::Cameras,
    endpoint::{
        rtsp::stats::{self as rtsp, PlayerStats},
        webrtc::stats::{self as webrtc, BUCKETS, CameraStats, ViewerStats},
    },
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

/// Viewers of every protocol.
#[derive(Clone)]
pub(super) struct Audience {
    pub(super) webrtc: Arc<webrtc::Stats>,
    pub(super) rtsp: Arc<rtsp::Stats>,
}

impl Audience {
    /// What is counted of viewers, as metrics.
    pub(super) fn collector(self, cameras: Cameras) -> Collector {
        Box::new(move |out| {
            let names: Vec<_> = cameras.list().iter().map(|c| c.name().clone()).collect();
            let browsers = with_all(&names, self.webrtc.cameras());
            let players = with_all(&names, self.rtsp.cameras());
            let watching = self.rtsp.players();
            for (i, (name, kind, help)) in SHARED.iter().enumerate() {
                out.family(name, *kind, help);
                for (camera, stats) in &browsers {
                    out.sample(&[("camera", camera), WEBRTC], of_browsers(stats)[i] as f64);
                }
                for (camera, counters) in &players {
                    let viewers = watching.iter().filter(|p| p.camera == *camera).count();
                    out.sample(&[("camera", camera), RTSP], of_players(viewers as u64, counters)[i] as f64);
                }
            }
            for (name, help, value) in BROWSERS_ONLY {
                out.family(name, Kind::Counter, help);
                for (camera, stats) in &browsers {
                    out.sample(&[("camera", camera), WEBRTC], value(stats).load(Relaxed) as f64);
                }
            }
            ingest_to_send(out, &browsers);
        })
    }

    /// All viewers of now, as the API shows them.
    pub(super) fn viewers(&self) -> Vec<Value> {
        let browsers = self.webrtc.viewers();
        let players = self.rtsp.players();
        browsers.iter().map(|v| browser(v)).chain(players.iter().map(|p| player(p))).collect()
    }
}

const WEBRTC: (&str, &str) = ("protocol", "webrtc");
const RTSP: (&str, &str) = ("protocol", "rtsp");

/// A camera that never had a viewer counts zero, so that rates have a beginning.
fn with_all<T>(names: &[Arc<str>], counted: Vec<(Arc<str>, Arc<T>)>) -> BTreeMap<Arc<str>, Arc<T>>
where
    T: Default,
{
    let mut all: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), Arc::default())).collect();
    all.extend(counted);
    all
}

/// What every protocol counts, in the order of [`of_browsers`] and [`of_players`].
const SHARED: [(&str, Kind, &str); 4] = [
    ("neverblink_viewers", Kind::Gauge, "Viewers of now."),
    ("neverblink_viewer_frames_sent_total", Kind::Counter, "Video frames sent, all viewers together."),
    ("neverblink_viewer_frames_skipped_total", Kind::Counter, "Units that viewers lost because they were behind."),
    ("neverblink_viewer_bytes_sent_total", Kind::Counter, "Bytes sent to viewers."),
];

fn of_browsers(stats: &CameraStats) -> [u64; 4] {
    [&stats.viewers, &stats.frames_sent, &stats.frames_skipped, &stats.bytes_sent].map(|c| c.load(Relaxed))
}

fn of_players(viewers: u64, counters: &rtsp::Counters) -> [u64; 4] {
    let [frames, skipped, bytes] = [&counters.frames, &counters.skipped, &counters.bytes].map(|c| c.load(Relaxed));
    [viewers, frames, skipped, bytes]
}

type Family = (&'static str, &'static str, fn(&CameraStats) -> &AtomicU64);

const BROWSERS_ONLY: &[Family] = &[
    ("neverblink_webrtc_nacks_total", "Requests to send lost packets again.", |s| &s.nacks),
    ("neverblink_webrtc_retransmits_total", "Packets sent again.", |s| &s.retransmits),
    ("neverblink_webrtc_retransmits_refused_total", "Packets not sent again: too many were asked for.", |s| {
        &s.retransmits_refused
    }),
    ("neverblink_webrtc_plis_total", "Keyframe requests of viewers.", |s| &s.plis),
    ("neverblink_webrtc_b_frames_total", "Frames that browsers cannot show in order.", |s| &s.b_frames),
    ("neverblink_webrtc_packets_dropped_total", "Packets dropped: the send buffer was full.", |s| &s.packets_dropped),
    ("neverblink_webrtc_sends_total", "Calls into the kernel for sending.", |s| &s.sends),
];

fn ingest_to_send(out: &mut Exposition, cameras: &BTreeMap<Arc<str>, Arc<CameraStats>>) {
    out.family("neverblink_ingest_to_send_seconds", Kind::Histogram, "From a frame's last byte in to its first packet out.");
    for (camera, stats) in cameras {
        let (buckets, count, sum_us) = stats.ingest_to_send.read();
        let buckets: Vec<_> = BUCKETS.iter().map(|us| *us as f64 / 1e6).zip(buckets).collect();
        out.histogram(&[("camera", camera), WEBRTC], &buckets, count, sum_us as f64 / 1e6);
    }
}

fn browser(viewer: &ViewerStats) -> Value {
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

fn player(player: &PlayerStats) -> Value {
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    json!({
        "id": format!("rtsp-{}", player.id),
        "protocol": "rtsp",
        "transport": if player.udp { "udp" } else { "tcp" },
        "camera": &*player.camera,
        "remote": player.remote.to_string(),
        "since": player.since.to_string(),
        "connected": true,
        "frames_sent": count(&player.sent.frames),
        "frames_skipped": count(&player.sent.skipped),
        "bytes_sent": count(&player.sent.bytes),
    })
}
