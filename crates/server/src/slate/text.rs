//! The words of the slate.

use hub::{State, Status, Stream};
use media::{ClockPair, Wall};

/// What the state adds to its reason for people at the page; on a picture it would flicker.
const PASSING: [&str; 2] = ["; trying again now", "; reconnecting"];

/// The camera and its state.
pub(super) fn title(stream: &Stream) -> String {
    let state = if stream.status().state == State::Stalled { "no new picture" } else { "offline" };
    format!("{} {state}", stream.name())
}

/// Why, and since when.
pub(super) fn words(status: &Status, clocks: &ClockPair) -> String {
    let reason = PASSING
        .iter()
        .fold(status.reason.to_string(), |reason, passing| reason.replace(passing, ""));
    let since = clocks.wall.as_micros()
        - i64::try_from(clocks.mono.since(status.since).as_micros()).unwrap_or(0);
    let (day, time) = Wall::from_micros(since).day_and_minute();
    format!("{reason} Since {day} {time} UTC.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::Mono;

    #[test]
    fn words_say_why_and_since_when_and_do_not_flicker() {
        let now = Mono::from_nanos(90_000_000_000);
        let clocks = ClockPair { mono: now, wall: Wall::from_micros(1_700_000_000_000_000) };
        let status =
            |reason: &str| Status::new(State::Offline, reason, Mono::from_nanos(30_000_000_000));
        let said = words(&status("192.0.2.1 refuses the connection"), &clocks);
        assert_eq!(said, "192.0.2.1 refuses the connection Since 2023-11-14 22:12 UTC.");
        assert_eq!(
            words(&status("192.0.2.1 refuses the connection; trying again now"), &clocks),
            said
        );
    }
}
