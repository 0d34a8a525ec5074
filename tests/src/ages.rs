//! What a list of shown frames says of the ages of pictures.

use crate::Shown;

/// A frame's age when it was shown, in ms; infinite if its clock was unreadable.
pub fn age(frame: &Shown) -> f64 {
    frame.latency_ms.unwrap_or(f64::INFINITY)
}

/// Those shown within `length` ms from `from` on.
pub fn within(shown: &[Shown], from: f64, length: f64) -> &[Shown] {
    let before = |at: f64| shown.partition_point(|f| f.at < at);
    &shown[before(from)..before(from + length)]
}

/// How old the picture on the screen was, every 10 ms from the first frame until `end`: what frames
/// that never came do to a viewer.
pub fn on_screen(shown: &[Shown], end: f64) -> Vec<f64> {
    let ends = shown.iter().skip(1).map(|next| next.at).chain([end]);
    let ages = |(frame, end): (&Shown, f64)| {
        let steps = ((end - frame.at) / 10.0).max(0.0).ceil() as u32;
        (0..steps).map(|i| age(frame) + f64::from(i) * 10.0).collect()
    };
    shown.iter().zip(ends).flat_map::<Vec<_>, _>(ages).collect()
}

/// The value that `percent` of `values` do not exceed; infinite if there are none.
pub fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).or(values.last()).copied().unwrap_or(f64::INFINITY)
}
