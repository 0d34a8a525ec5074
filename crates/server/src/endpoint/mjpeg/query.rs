//! What a request asks for behind the question mark.

use crate::{error::ApiError, pictures::Wish};
use axum::http::StatusCode;
use std::{ops::RangeInclusive, str::FromStr, time::Duration};
use url::form_urlencoded;

/// Good to look at, at a third of the size of 95.
const QUALITY: u8 = 80;
/// A snapshot may be this old by default: less than people notice, and a crowd of askers shares
/// one.
const MAX_AGE: Duration = Duration::from_millis(250);

/// The query, checked.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Query {
    width: u16,
    quality: u8,
    interval: Duration,
    /// Each part is to tell its length, its time and its delays.
    pub(super) headers: bool,
    /// How old a snapshot may be.
    pub(super) max_age: Duration,
}

impl Query {
    /// Reads a query; keys that are not known are of no interest, as players add their own.
    ///
    /// # Errors
    /// 400, with the key, what is wrong and what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut query = Self {
            width: 0,
            quality: QUALITY,
            interval: Duration::ZERO,
            headers: false,
            max_age: MAX_AGE,
        };
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            let value = &*value;
            match &*key {
                "width" => query.width = within(&key, value, 16..=8192)?,
                "quality" => query.quality = within(&key, value, 1..=100)?,
                "fps" => {
                    query.interval =
                        Duration::from_secs_f64(1.0 / within(&key, value, 0.01..=240.0)?);
                }
                "headers" => query.headers = within(&key, value, 0..=1u8)? == 1,
                "max_age" => {
                    query.max_age = Duration::from_secs_f64(within(&key, value, 0.0..=3600.0)?);
                }
                _ => {}
            }
        }
        Ok(query)
    }

    /// What an endless answer asks of the room.
    pub(super) fn stream(&self) -> Wish {
        Wish { width: self.width, quality: self.quality, interval: self.interval }
    }

    /// What a single picture asks of the room.
    pub(super) fn snapshot(&self) -> Wish {
        Wish { interval: Duration::ZERO, ..self.stream() }
    }
}

fn within<T: FromStr + PartialOrd + std::fmt::Display>(
    key: &str,
    value: &str,
    range: RangeInclusive<T>,
) -> Result<T, ApiError> {
    let number = value.parse().ok().filter(|n| range.contains(n));
    number.ok_or_else(|| {
        let shown: String = value.chars().take(40).collect();
        let hint = format!("use a number from {} to {}", range.start(), range.end());
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_query",
            format!("{key}={shown} is not possible"),
            hint,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_all_keys() {
        let wish = |text: &str| Query::parse(text).unwrap().stream();
        assert_eq!(wish(""), Wish { width: 0, quality: 80, interval: Duration::ZERO });
        assert_eq!(
            wish("width=640&quality=50&fps=10&cache=1"),
            Wish { width: 640, quality: 50, interval: Duration::from_millis(100) }
        );
        let query = Query::parse("headers=1&max_age=2.5&fps=5").unwrap();
        assert!(query.headers);
        assert_eq!(
            (query.max_age, query.snapshot().interval),
            (Duration::from_millis(2500), Duration::ZERO)
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "width=0",
            "width=-5",
            "width=99999",
            "quality=0",
            "quality=101",
            "fps=0",
            "fps=nan",
            "fps=inf",
            "max_age=-1",
        ] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }
}
