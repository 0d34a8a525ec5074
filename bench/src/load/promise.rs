//! What viewers who come and go must not do to a server and to those who stay.

use super::report::{Churn, Delivered, Sight};
use serde::Serialize;

/// What is compared: the second minute, when everything has been used once, and the last.
const MINUTE: f64 = 60.0;
/// The last minute must begin after the second has ended.
const SHORTEST: f64 = 3.0 * MINUTE;
/// The peak of the last minute may be this much above that of the second. At 200 viewers and 10 % a
/// second a hundredth of what a viewer weighs, lost with each of them, is more in five minutes.
const MEMORY_MIB: f64 = 2.0;
/// Connections of those who are just joining and leaving.
const DESCRIPTORS: usize = 10;

/// Peaks of the second and the last minute.
#[derive(Clone, Copy, Serialize, PartialEq, Debug)]
pub(super) struct Growth {
    rss_mib: (f64, f64),
    descriptors: Option<(usize, usize)>,
}

impl Growth {
    /// `None` if the server's process is not known or the time is too short to tell.
    pub(super) fn of(sights: &[Sight]) -> Option<Self> {
        let end = sights.last().map(|s| s.after_seconds).filter(|end| *end >= SHORTEST)?;
        let second: Vec<&Sight> =
            sights.iter().filter(|s| (MINUTE..2.0 * MINUTE).contains(&s.after_seconds)).collect();
        let last: Vec<&Sight> = sights.iter().filter(|s| s.after_seconds > end - MINUTE).collect();
        let rss = |of: &[&Sight]| of.iter().map(|s| s.rss_mib).max_by(f64::total_cmp);
        let descriptors = |of: &[&Sight]| of.iter().filter_map(|s| s.descriptors).max();
        Some(Self {
            rss_mib: rss(&second).zip(rss(&last))?,
            descriptors: descriptors(&second).zip(descriptors(&last)),
        })
    }

    fn is_of_memory(&self) -> bool {
        self.rss_mib.1 > self.rss_mib.0 + MEMORY_MIB
    }

    fn is_of_descriptors(&self) -> bool {
        self.descriptors.is_some_and(|(second, last)| last > second + DESCRIPTORS)
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        let flat = |grows| if grows { "GROWS" } else { "flat" };
        let (second, last) = self.rss_mib;
        let memory = format!(
            "memory {}: {second:.1} MiB at most in the second minute, {last:.1} in the last",
            flat(self.is_of_memory())
        );
        let descriptors = self
            .descriptors
            .map(|(a, b)| format!("; descriptors {}: {a}, {b}", flat(self.is_of_descriptors())));
        memory + &descriptors.unwrap_or_default()
    }
}

/// Returns the broken promises; none if all is well.
pub(super) fn broken(churn: &Churn, delivered: &Delivered) -> Vec<String> {
    let growth = churn.growth.as_ref();
    let broken = [
        (growth.is_some_and(Growth::is_of_memory), "the server's memory grows".to_owned()),
        (growth.is_some_and(Growth::is_of_descriptors), "the server's descriptors grow".to_owned()),
        (
            delivered.viewers_that_missed_frames > 0,
            format!("{} who stayed missed frames", delivered.viewers_that_missed_frames),
        ),
        (churn.failed > 0, format!("{} who joined saw no picture, or lost it", churn.failed)),
    ];
    broken.into_iter().filter_map(|(is, what)| is.then_some(what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sights(seconds: usize, rss_mib: impl Fn(f64) -> f64) -> Vec<Sight> {
        let at = |n: usize| n as f64 * 10.0 + 0.01;
        (0..=seconds / 10)
            .map(|n| Sight {
                after_seconds: at(n),
                rss_mib: rss_mib(at(n)),
                descriptors: Some(20 + n % 3),
            })
            .collect()
    }

    #[test]
    fn a_leak_shows_and_a_first_minute_does_not() {
        // What was seen before and after the timers of viewers were mended.
        let leaks = Growth::of(&sights(300, |s| 26.0 + s * 0.36)).unwrap();
        assert!(
            leaks.is_of_memory() && !leaks.is_of_descriptors() && leaks.told().contains("GROWS"),
            "{leaks:?}"
        );
        let flat =
            Growth::of(&sights(300, |s| 24.7 + (s / 10.0).min(1.0) + (s % 7.0) / 10.0)).unwrap();
        assert!(!flat.is_of_memory() && !flat.told().contains("GROWS"), "{flat:?}");
    }

    #[test]
    fn descriptors_may_not_grow_either() {
        let mut sights = sights(300, |_| 25.0);
        for (n, sight) in sights.iter_mut().enumerate() {
            sight.descriptors = Some(20 + n);
        }
        assert!(Growth::of(&sights).unwrap().is_of_descriptors());
    }

    #[test]
    fn a_minute_tells_nothing() {
        assert_eq!(Growth::of(&sights(60, |s| s)), None);
        assert_eq!(Growth::of(&[]), None);
    }
}
