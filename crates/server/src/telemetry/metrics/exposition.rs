//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

/// What a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

/// A text under construction. All samples of a family are written behind each other, as the format
/// demands.
#[derive(Default)]
pub(crate) struct Exposition {
    out: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family. `name` is complete: with `neverblink_` before and the unit behind.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
        self
    }

    /// Adds a sample to the family.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.suffixed("", labels, value)
    }

    /// A family of one number without labels; nothing if the number is not known.
    pub(crate) fn single(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &str,
        value: Option<f64>,
    ) {
        if let Some(value) = value {
            self.family(name, kind, help).sample(&[], value);
        }
    }

    /// Adds one histogram to the family: its cumulative buckets by upper bound, the count of all,
    /// and their sum.
    pub(crate) fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) -> &mut Self {
        let finite = buckets.iter().map(|(bound, n)| (bound.to_string(), *n));
        for (bound, n) in finite.chain([("+Inf".to_owned(), count)]) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", &*bound)]).collect();
            self.suffixed("_bucket", &labels, n as f64);
        }
        self.suffixed("_sum", labels, sum).suffixed("_count", labels, count as f64)
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let name = self.family;
        self.line(format_args!("{name}{suffix}{labels} {value}"));
        self
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{text}");
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format() {
        let mut out = Exposition::default();
        out.family("a_total", Kind::Counter, "All a.")
            .sample(&[("camera", "x\"\\\n"), ("b", "c")], 3.0)
            .sample(&[], 1e10);
        out.family("t_seconds", Kind::Histogram, "Times.").histogram(
            &[("camera", "x")],
            &[(0.001, 2), (1.0, 3)],
            4,
            2.5,
        );
        let expected = "\
# HELP a_total All a.
# TYPE a_total counter
a_total{camera=\"x\\\"\\\\\\n\",b=\"c\"} 3
a_total 10000000000
# HELP t_seconds Times.
# TYPE t_seconds histogram
t_seconds_bucket{camera=\"x\",le=\"0.001\"} 2
t_seconds_bucket{camera=\"x\",le=\"1\"} 3
t_seconds_bucket{camera=\"x\",le=\"+Inf\"} 4
t_seconds_sum{camera=\"x\"} 2.5
t_seconds_count{camera=\"x\"} 4
";
        assert_eq!(out.finish(), expected);
    }
}
