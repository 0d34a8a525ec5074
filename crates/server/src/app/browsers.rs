//! What only WebRTC counts, as metrics.

use crate::{
    cameras::Cameras,
    endpoint::webrtc::stats::{BUCKETS, CameraStats, Stats},
    stream_name::parts,
    telemetry::{Collector, Exposition, Kind},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Writes what is counted of browsers beyond what every protocol counts.
pub(super) fn collector(stats: Arc<Stats>, cameras: Cameras) -> Collector {
    Box::new(move |out| {
        // A camera that never had a viewer counts zero, so that rates have a beginning.
        let mut all: BTreeMap<_, _> =
            cameras.with_renditions().iter().map(|c| (c.name().clone(), Arc::default())).collect();
        all.extend(stats.cameras());
        for (name, help, value) in FAMILIES {
            out.family(name, Kind::Counter, help);
            for (camera, stats) in &all {
                out.sample(&labels(camera), value(stats).load(Relaxed) as f64);
            }
        }
        out.family(
            "neverblink_webrtc_tcp_refused_total",
            Kind::Counter,
            "TCP connections ended: strangers, or silent for too long.",
        );
        out.sample(&[], stats.tcp_refused.load(Relaxed) as f64);
        out.family(
            "neverblink_webrtc_datagrams_dropped_total",
            Kind::Counter,
            "Datagrams of browsers lost between media threads, of which one is far behind.",
        );
        out.sample(&[], stats.datagrams_dropped.load(Relaxed) as f64);
        ingest_to_send(out, &all);
    })
}

const WEBRTC: (&str, &str) = ("protocol", "webrtc");

fn labels(stream: &str) -> Vec<(&str, &str)> {
    let (camera, rendition) = parts(stream);
    [Some(("camera", camera)), rendition.map(|rendition| ("rendition", rendition)), Some(WEBRTC)]
        .into_iter()
        .flatten()
        .collect()
}

type Family = (&'static str, &'static str, fn(&CameraStats) -> &AtomicU64);

const FAMILIES: &[Family] = &[
    ("neverblink_webrtc_nacks_total", "Requests to send lost packets again.", |s| &s.nacks),
    (
        "neverblink_webrtc_retransmits_refused_total",
        "Packets not sent again: too many were asked for.",
        |s| &s.retransmits_refused,
    ),
    ("neverblink_webrtc_plis_total", "Keyframe requests of viewers.", |s| &s.plis),
    ("neverblink_webrtc_b_frames_total", "Frames that browsers cannot show in order.", |s| {
        &s.b_frames
    }),
    (
        "neverblink_webrtc_packets_dropped_total",
        "Packets dropped: the send buffer was full.",
        |s| &s.packets_dropped,
    ),
    (
        "neverblink_webrtc_publisher_nacks_total",
        "Lost packets that publishers were asked to send again.",
        |s| &s.asked_again,
    ),
    (
        "neverblink_webrtc_publisher_repaired_total",
        "Lost packets that publishers sent again in time.",
        |s| &s.repaired,
    ),
    ("neverblink_webrtc_publisher_plis_total", "Keyframes that publishers were asked for.", |s| {
        &s.keyframes_asked
    }),
    ("neverblink_webrtc_sends_total", "Calls into the kernel for sending.", |s| &s.sends),
];

fn ingest_to_send(out: &mut Exposition, cameras: &BTreeMap<Arc<str>, Arc<CameraStats>>) {
    out.family(
        "neverblink_ingest_to_send_seconds",
        Kind::Histogram,
        "From a frame's last byte in to its first packet out.",
    );
    for (camera, stats) in cameras {
        let (buckets, count, sum_us) = stats.ingest_to_send.read();
        let buckets: Vec<_> = BUCKETS.iter().map(|us| *us as f64 / 1e6).zip(buckets).collect();
        out.histogram(&labels(camera), &buckets, count, sum_us as f64 / 1e6);
    }
}
