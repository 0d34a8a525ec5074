//! A histogram from a server's Prometheus page.

use super::http::Url;
use crate::spread::Spread;

/// Reads `name` now and later, for what was observed in between. All label sets are taken together.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Histogram {
    /// Upper bounds in seconds, ascending, with the observations at or below them.
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    pub(super) fn read(url: &Url, name: &str) -> anyhow::Result<Self> {
        Ok(Self::parse(&url.get()?, name))
    }

    fn parse(page: &str, name: &str) -> Self {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for line in page.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix("_bucket{")) {
            let bound = line.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"')).and_then(|(le, _)| le.parse().ok());
            let count = line.rsplit_once("} ").and_then(|(_, n)| n.split(' ').next()?.parse::<f64>().ok());
            let (Some(bound), Some(count)) = (bound, count) else { continue };
            match buckets.iter_mut().find(|(b, _)| *b == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { buckets }
    }

    /// Milliseconds of what was observed since `before`, straight lines drawn within buckets; no least and no most.
    pub(super) fn millis_since(&self, before: &Self) -> Spread {
        let earlier = |bound: f64| before.buckets.iter().find(|(b, _)| *b == bound).map_or(0.0, |(_, n)| *n);
        let new: Vec<(f64, f64)> = self.buckets.iter().map(|(bound, n)| (*bound, n - earlier(*bound))).collect();
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
    Some(if high.is_finite() { low + (high - low) * (rank - below) / (upto - below).max(1e-12) } else { low })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE h histogram\n\
        h_bucket{camera=\"a\",le=\"0.001\"} 50\nh_bucket{camera=\"a\",le=\"0.01\"} 90\nh_bucket{camera=\"a\",le=\"+Inf\"} 100\n\
        h_bucket{camera=\"b\",le=\"0.001\"} 50\nh_bucket{camera=\"b\",le=\"0.01\"} 90\nh_bucket{camera=\"b\",le=\"+Inf\"} 100\n\
        h_sum{camera=\"a\"} 1\nh_count{camera=\"a\"} 100\nhh_bucket{le=\"1\"} 5\n";

    #[test]
    fn quantiles_of_what_is_new() {
        let now = Histogram::parse(PAGE, "h");
        let all = now.millis_since(&Histogram::default());
        assert_eq!((all.p50, all.p99), (Some(1.0), Some(10.0)));
        let before = Histogram { buckets: vec![(0.001, 100.0), (0.01, 100.0), (f64::INFINITY, 120.0)] };
        assert_eq!(now.millis_since(&before).p50, Some(0.001 * 1e3 + 9.0 * 40.0 / 80.0));
        assert_eq!(now.millis_since(&now), Spread::default());
    }
}
