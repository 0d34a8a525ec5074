//! The small values of a config: addresses, durations, switches, names.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// An address to listen on: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `:8080` (every
/// address), or `off`.
pub(super) fn listen(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" || text == "false" {
        return Ok(None);
    }
    let wrong =
        || format!("{text:?} is no address to listen on; write for example 127.0.0.1:8080, or off");
    let port = |digits: &str| digits.parse::<u16>().map_err(|_| wrong());
    if let Some(digits) = text.strip_prefix("localhost:") {
        return Ok(Some((Ipv4Addr::LOCALHOST, port(digits)?).into()));
    }
    if let Some(digits) = text.strip_prefix(':').or_else(|| text.strip_prefix("*:")) {
        return Ok(Some((Ipv4Addr::UNSPECIFIED, port(digits)?).into()));
    }
    text.parse().map(Some).map_err(|_| wrong())
}

/// The address of a machine.
pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is no IP address; write for example 203.0.113.7"))
}

/// A duration with its unit: `500ms`, `5s`, `1.5m`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "{text:?} is no duration; write a number with a unit, for example 500ms, 5s, 2m or 1h"
        )
    };
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

/// A duration within bounds.
pub(super) fn duration_within(
    text: &str,
    least: Duration,
    most: Duration,
) -> Result<Duration, String> {
    let value = duration(text)?;
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err(format!("{text} is out of bounds; it may be {least:?} to {most:?}")),
    }
}

/// A duration within bounds, or `off`.
pub(super) fn unless_off(
    text: &str,
    least: Duration,
    most: Duration,
) -> Result<Option<Duration>, String> {
    match text {
        // What YAML makes of a bare `off`.
        "off" | "false" => Ok(None),
        text if text.starts_with(|c: char| c.is_ascii_digit()) => {
            duration_within(text, least, most).map(Some)
        }
        _ => Err(format!("{text:?} is no duration; write for example 30s, or off")),
    }
}

/// A whole number within bounds.
pub(super) fn count_within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let value: usize = text.parse().map_err(|_| {
        format!("{text:?} is no number; write for example {}", 100.clamp(least, most))
    })?;
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err(format!("{text} is out of bounds; it may be {least} to {most}")),
    }
}

/// The number of an option `key` of a source, within bounds that fit its type.
pub(super) fn number<T: TryFrom<u32>>(
    key: &str,
    value: &str,
    least: u32,
    most: u32,
) -> Result<T, String> {
    let good = value.parse().ok().filter(|n| (least..=most).contains(n));
    let number = good.and_then(|n| T::try_from(n).ok());
    number.ok_or_else(|| format!("{key}={value:?} is not possible; it may be {least} to {most}"))
}

/// The same for columns and rows of which a chroma sample covers two.
pub(super) fn even(key: &str, value: &str, least: u32, most: u32) -> Result<u32, String> {
    match number(key, value, least, most)? {
        odd if odd % 2 == 1 => Err(format!("{key}={value:?} is not possible; it must be even")),
        even => Ok(even),
    }
}

/// Yes or no.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err(format!("expected true or false, found {text:?}")),
    }
}

/// The longest name.
const MAX_NAME: usize = 63;

/// A camera's name: `[a-z0-9][a-z0-9_-]{0,62}`.
pub(super) fn camera_name(text: &str) -> Result<(), String> {
    name("camera", "front", text)
}

/// Words behind a camera's name in URLs, of this version and of those to come.
const RESERVED: [&str; 8] = ["whep", "whip", "ws", "mjpeg", "hls", "webrtc", "auto", "record"];

/// A rendition's name: as a camera's, but for the words that mean something else in its place.
pub(super) fn rendition_name(text: &str) -> Result<(), String> {
    match RESERVED.contains(&text) {
        true => Err(format!(
            "{text:?} means something else in URLs; give the rendition another name, for example sd"
        )),
        false => name("rendition", "sd", text),
    }
}

fn name(what: &str, example: &str, text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let begins_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins_well && text.len() <= MAX_NAME && text.chars().all(good) {
        return Ok(());
    }
    let better: String =
        text.to_lowercase().chars().map(|c| if good(c) { c } else { '-' }).take(MAX_NAME).collect();
    let better = better.trim_matches(['-', '_']);
    let example = if better.is_empty() { example } else { better };
    Err(format!(
        "a {what}'s name is made of a-z, 0-9, _ and -, begins with a letter or digit, and is at most 63 long; for example {example}"
    ))
}

/// The known word that was probably meant by `typed`.
pub(super) fn similar<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    let near =
        |word: &&str| strsim::damerau_levenshtein(&typed, word) <= (word.len() / 3).clamp(1, 3);
    known.filter(near).min_by_key(|word| strsim::damerau_levenshtein(&typed, word))
}
