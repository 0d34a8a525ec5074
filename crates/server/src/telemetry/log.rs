//! Structured logs on stderr, for people or for machines.

use super::{Fold, Panics, Telemetry, redact::Redacting};
use crate::clock::Clock;
use clap::{Args, ValueEnum};
use std::io::IsTerminal;
use tracing::Level;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// How much is logged, and in which form.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArgs {
    /// The form of the logs on stderr.
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// error, warn, info, debug, trace, or a filter such as neverblink=debug,hyper=warn.
    #[arg(long, global = true, default_value = "info", value_name = "LEVEL", value_parser = check_filter)]
    log_level: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogArgs {
    /// Starts logging, and from now on logs panics.
    pub(crate) fn init(&self, clock: Clock) -> Telemetry {
        let fold = Fold::new(clock);
        let registry =
            tracing_subscriber::registry().with(filter(&self.log_level)).with(fold.clone());
        // It fails only if there is a subscriber already, which then goes on.
        let _ = registry.with(self.layer()).try_init();
        Telemetry { fold, panics: Panics::watch() }
    }

    fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    {
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(|| Redacting(std::io::stderr()))
            .with_ansi(std::io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Text => layer.with_target(false).boxed(),
            LogFormat::Json => layer.json().flatten_event(true).boxed(),
        }
    }
}

/// A bare level speaks of this program; libraries talk from `warn` on, unless `trace` is wanted or
/// they are named.
fn filter(text: &str) -> EnvFilter {
    let level = text.parse::<Level>().ok();
    let text = match level {
        Some(Level::TRACE) | None => text.to_owned(),
        Some(Level::ERROR) => "error".to_owned(),
        Some(level) => format!("warn,neverblink={level}"),
    };
    EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// A bare word that is no level would be taken for the name of a module, and silence everything
/// else.
fn check_filter(text: &str) -> Result<String, String> {
    if text.parse::<Level>().is_err() && !text.contains('=') {
        return Err("expected error, warn, info, debug or trace, or a filter such as neverblink=debug,hyper=warn".to_owned());
    }
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_in_the_level_is_refused() {
        assert!(check_filter("inof").is_err() && check_filter("neverblink=loud").is_err());
        assert!(
            check_filter("DEBUG").is_ok() && check_filter("neverblink=debug,hyper=warn").is_ok()
        );
    }

    #[test]
    fn a_bare_level_speaks_of_this_program() {
        assert_eq!(filter("debug").to_string(), "neverblink=debug,warn");
        assert_eq!(filter("error").to_string(), "error");
    }
}
