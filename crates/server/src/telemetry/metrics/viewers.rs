//! What is counted of viewers, whatever the protocol.

use super::{Exposition, Kind};
use crate::{
    cameras::Camera,
    viewers::{Protocol, Shown, ViewerRegistry, ViewerTotal},
};
use std::{collections::BTreeMap, sync::Arc};

type Totals = BTreeMap<(Shown, Protocol), ViewerTotal>;

type Family = (&'static str, Kind, &'static str, fn(&ViewerTotal) -> u64);

const FAMILIES: &[Family] = &[
    ("neverblink_viewers", Kind::Gauge, "Viewers of now.", |t| t.viewers),
    (
        "neverblink_viewers_link_limited",
        Kind::Gauge,
        "Viewers whose link carries less than the stream.",
        |t| t.link_limited,
    ),
    (
        "neverblink_viewers_refused_total",
        Kind::Counter,
        "Viewers turned away because of a limit.",
        |t| t.refused,
    ),
    (
        "neverblink_viewer_frames_sent_total",
        Kind::Counter,
        "Video frames sent, all viewers together.",
        |t| t.counts.frames,
    ),
    (
        "neverblink_viewer_frames_skipped_total",
        Kind::Counter,
        "Units that viewers did not get, for whatever reason.",
        |t| t.counts.skipped(),
    ),
    (
        "neverblink_viewer_frames_skipped_congestion_total",
        Kind::Counter,
        "Of the units skipped, those for which the viewer's link was too thin.",
        |t| t.counts.congested,
    ),
    ("neverblink_viewer_bytes_sent_total", Kind::Counter, "Bytes sent to viewers.", |t| {
        t.counts.bytes
    }),
    (
        "neverblink_viewer_link_limited_total",
        Kind::Counter,
        "Times that a viewer's link began to carry less than the stream.",
        |t| t.counts.link_limits,
    ),
];

/// Writes all families about viewers.
pub(super) fn expose(out: &mut Exposition, viewers: &ViewerRegistry, cameras: &[Arc<Camera>]) {
    let totals = with_all(viewers.totals(), cameras);
    for (name, kind, help, value) in FAMILIES {
        family(out, &totals, (*name, *kind, help), |_| true, value);
    }
    let retransmits = ("neverblink_webrtc_retransmits_total", Kind::Counter, "Packets sent again.");
    family(
        out,
        &totals,
        retransmits,
        |protocol| protocol == Protocol::WebRtc,
        |t| t.counts.retransmits,
    );
}

/// A camera that never had a viewer counts zero, so that rates have a beginning.
fn with_all(mut totals: Totals, cameras: &[Arc<Camera>]) -> Totals {
    for camera in cameras {
        for protocol in Protocol::SERVED {
            totals.entry((Shown::new(camera.name()), protocol)).or_default();
        }
    }
    totals
}

fn family(
    out: &mut Exposition,
    totals: &Totals,
    (name, kind, help): (&'static str, Kind, &str),
    of: impl Fn(Protocol) -> bool,
    value: impl Fn(&ViewerTotal) -> u64,
) {
    out.family(name, kind, help);
    for ((shown, protocol), total) in totals.iter().filter(|((_, protocol), _)| of(*protocol)) {
        let rendition = shown.rendition.as_deref().map(|rendition| ("rendition", rendition));
        let labels =
            [Some(("camera", &*shown.camera)), rendition, Some(("protocol", protocol.as_str()))];
        out.sample(&labels.into_iter().flatten().collect::<Vec<_>>(), value(total) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cameras::Cameras, cameras::Origin, event::EventBus, viewers::JoinRequest};
    use hub::StreamOptions;
    use media::{ClockPair, Mono, Wall};

    #[test]
    fn every_camera_counts_from_zero_and_renditions_have_their_label() {
        let (cameras, viewers) = (Cameras::new(EventBus::new(1)), ViewerRegistry::default());
        let origin = Origin { text: "publish".into(), publishable: true, on_demand: false };
        cameras.add(&"quiet".into(), origin, StreamOptions::default(), Mono::default());
        let now = ClockPair { mono: Mono::default(), wall: Wall::default() };
        let request =
            JoinRequest { protocol: Protocol::WebRtc, stream: "front/sd", end: Arc::new(|_| {}) };
        let handle = viewers.join(request, now).unwrap();
        handle.sent_frames(3);
        handle.skipped(2);
        handle.skipped_for_congestion(1);
        handle.set_link_limited(true);
        handle.retransmitted(7);
        let mut out = Exposition::default();
        expose(&mut out, &viewers, &cameras.list());
        let text = out.finish();
        let sd = r#"{camera="front",rendition="sd",protocol="webrtc"}"#;
        for line in [
            r#"neverblink_viewers{camera="quiet",protocol="rtsp"} 0"#.to_owned(),
            format!("neverblink_viewers{sd} 1"),
            format!("neverblink_viewers_link_limited{sd} 1"),
            format!("neverblink_viewer_frames_sent_total{sd} 3"),
            format!("neverblink_viewer_frames_skipped_total{sd} 3"),
            format!("neverblink_viewer_frames_skipped_congestion_total{sd} 1"),
            format!("neverblink_webrtc_retransmits_total{sd} 7"),
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
        }
        assert!(!text.contains(r#"retransmits_total{camera="quiet",protocol="rtsp"}"#));
    }
}
