//! Percentiles.

use serde::Serialize;

/// The spread of some values; all `None` if there are none.
#[derive(Serialize, Default, PartialEq, Debug)]
pub(crate) struct Spread {
    pub(crate) min: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
    pub(crate) max: Option<f64>,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        let at = |permille: usize| {
            values.get((last * permille).div_ceil(1000)).map(|v| (v * 1000.0).round() / 1000.0)
        };
        Self { min: at(0), p50: at(500), p99: at(990), p999: at(999), max: at(1000) }
    }

    /// In one line, with a unit.
    pub(crate) fn show(&self, unit: &str) -> String {
        let (Some(min), Some(p50), Some(p99), Some(max)) = (self.min, self.p50, self.p99, self.max)
        else {
            return "unknown".to_owned();
        };
        format!("p50 {p50:.1}, p99 {p99:.1}, from {min:.1} to {max:.1} {unit}")
            .trim_end()
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let spread = Spread::of((1..=101).map(f64::from).collect());
        let expected = Spread {
            min: Some(1.0),
            p50: Some(51.0),
            p99: Some(100.0),
            p999: Some(101.0),
            max: Some(101.0),
        };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of(Vec::new()).show("ms"), "unknown");
    }
}
