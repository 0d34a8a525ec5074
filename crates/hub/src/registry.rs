//! All streams by name.

use crate::{Stream, StreamOptions};
use media::Mono;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// The streams of a server.
#[derive(Default)]
pub struct Hub {
    /// Written only when cameras come and go.
    streams: RwLock<BTreeMap<Arc<str>, Arc<Stream>>>,
}

impl Hub {
    /// The stream `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<Arc<Stream>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The stream `name`, made with `options` if there is none.
    pub fn get_or_create(&self, name: &str, options: StreamOptions, now: Mono) -> Arc<Stream> {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Stream::new(name, options, now);
        streams.entry(name.into()).or_insert_with(make).clone()
    }

    /// Takes a stream out of the register and ends it for its publisher and readers.
    pub fn remove(&self, name: &str, reason: &str, now: Mono) {
        let removed = self.streams.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(stream) = removed {
            stream.end(now, reason);
        }
    }

    /// All streams in the order of their names.
    pub fn list(&self) -> Vec<Arc<Stream>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
