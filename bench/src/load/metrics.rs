//! The figures of sending on neverblink's Prometheus page.

use super::http::Url;
use crate::spread::Spread;
use serde::Serialize;

/// What the page says at one moment; read it twice for what was in between.
pub(super) struct Told {
    ingest_to_send: Histogram,
    left_out: LeftOut,
}

/// The frames that the server did not send.
#[derive(Clone, Copy, Serialize, Default, PartialEq, Debug)]
pub(super) struct LeftOut {
    /// Frames of viewers who were too far behind.
    frames_skipped: f64,
    /// Frames for which a viewer's link seemed to have no room.
    frames_skipped_congestion: f64,
    /// Packets for which the socket had no room.
    packets_dropped: f64,
}

impl Told {
    pub(super) fn read(url: &Url) -> anyhow::Result<Self> {
        Ok(Self::parse(&url.get()?))
    }

    fn parse(page: &str) -> Self {
        let left_out = LeftOut {
            frames_skipped: sum(page, "neverblink_viewer_frames_skipped_total"),
            frames_skipped_congestion: sum(
                page,
                "neverblink_viewer_frames_skipped_congestion_total",
            ),
            packets_dropped: sum(page, "neverblink_webrtc_packets_dropped_total"),
        };
        Self {
            ingest_to_send: Histogram::parse(page, "neverblink_ingest_to_send_seconds"),
            left_out,
        }
    }

    /// How long frames waited in the server, from the last byte in to the first packet out.
    pub(super) fn ingest_to_send_since(&self, before: &Self) -> Spread {
        self.ingest_to_send.millis_since(&before.ingest_to_send)
    }

    pub(super) fn left_out_since(&self, before: &Self) -> LeftOut {
        let (now, then) = (&self.left_out, &before.left_out);
        LeftOut {
            frames_skipped: now.frames_skipped - then.frames_skipped,
            frames_skipped_congestion: now.frames_skipped_congestion
                - then.frames_skipped_congestion,
            packets_dropped: now.packets_dropped - then.packets_dropped,
        }
    }
}

impl LeftOut {
    /// For people.
    pub(super) fn show(&self) -> String {
        let Self {
            frames_skipped: behind,
            frames_skipped_congestion: narrow,
            packets_dropped: dropped,
        } = self;
        format!(
            "{behind} frames of viewers too far behind, {narrow} for a narrow link, {dropped} packets at a full socket"
        )
    }
}

/// A counter of all label sets together; 0 if it is not told.
fn sum(page: &str, name: &str) -> f64 {
    let values =
        page.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "));
    values.filter_map(|(_, n)| n.split(' ').next()?.parse::<f64>().ok()).sum()
}

/// All label sets are taken together.
#[derive(Clone, PartialEq, Debug, Default)]
struct Histogram {
    /// Upper bounds in seconds, ascending, with the observations at or below them.
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    fn parse(page: &str, name: &str) -> Self {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for line in page.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix("_bucket{")) {
            let bound = line
                .split_once("le=\"")
                .and_then(|(_, rest)| rest.split_once('"'))
                .and_then(|(le, _)| le.parse().ok());
            let count =
                line.rsplit_once("} ").and_then(|(_, n)| n.split(' ').next()?.parse::<f64>().ok());
            let (Some(bound), Some(count)) = (bound, count) else { continue };
            match buckets.iter_mut().find(|(b, _)| *b == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { buckets }
    }

    /// Milliseconds of what was observed since `before`, straight lines drawn within buckets; no
    /// least and no most.
    fn millis_since(&self, before: &Self) -> Spread {
        let earlier =
            |bound: f64| before.buckets.iter().find(|(b, _)| *b == bound).map_or(0.0, |(_, n)| *n);
        let new: Vec<(f64, f64)> =
            self.buckets.iter().map(|(bound, n)| (*bound, n - earlier(*bound))).collect();
        let at = |share| quantile(&new, share).map(|s| (s * 1e6).round() / 1e3);
        Spread { p50: at(0.5), p99: at(0.99), p999: at(0.999), ..Spread::default() }
    }
}

/// Beyond the last finite bound, that bound: the true value is greater.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let total = buckets.last().map(|(_, n)| *n).filter(|n| *n > 0.0)?;
    let rank = share * total;
    let at = buckets.iter().position(|(_, n)| *n >= rank)?;
    let (low, below) = at.checked_sub(1).map_or((0.0, 0.0), |i| buckets[i]);
    let (high, upto) = buckets[at];
    Some(if high.is_finite() {
        low + (high - low) * (rank - below) / (upto - below).max(1e-12)
    } else {
        low
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE h histogram\n\
        h_bucket{camera=\"a\",le=\"0.001\"} 50\nh_bucket{camera=\"a\",le=\"0.01\"} 90\nh_bucket{camera=\"a\",le=\"+Inf\"} 100\n\
        h_bucket{camera=\"b\",le=\"0.001\"} 50\nh_bucket{camera=\"b\",le=\"0.01\"} 90\nh_bucket{camera=\"b\",le=\"+Inf\"} 100\n\
        h_sum{camera=\"a\"} 1\nh_count{camera=\"a\"} 100\nhh_bucket{le=\"1\"} 5\n";

    #[test]
    fn what_was_left_out_is_summed_by_its_exact_name() {
        let page = |a: u32, b: u32, c: u32| {
            format!(
                "neverblink_viewer_frames_skipped_total{{camera=\"a\"}} {a}\nneverblink_viewer_frames_skipped_total{{camera=\"b\"}} 1\n\
                neverblink_viewer_frames_skipped_congestion_total{{camera=\"a\"}} {b}\nneverblink_webrtc_packets_dropped_total{{}} {c}\n"
            )
        };
        let (before, after) = (Told::parse(&page(2, 3, 4)), Told::parse(&page(12, 3, 9)));
        let expected =
            LeftOut { frames_skipped: 10.0, frames_skipped_congestion: 0.0, packets_dropped: 5.0 };
        assert_eq!(after.left_out_since(&before), expected);
    }

    #[test]
    fn quantiles_of_what_is_new() {
        let now = Histogram::parse(PAGE, "h");
        let all = now.millis_since(&Histogram::default());
        assert_eq!((all.p50, all.p99), (Some(1.0), Some(10.0)));
        let before =
            Histogram { buckets: vec![(0.001, 100.0), (0.01, 100.0), (f64::INFINITY, 120.0)] };
        assert_eq!(now.millis_since(&before).p50, Some(0.001 * 1e3 + 9.0 * 40.0 / 80.0));
        assert_eq!(now.millis_since(&now), Spread::default());
    }
}
