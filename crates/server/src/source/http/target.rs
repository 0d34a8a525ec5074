//! Which camera, how to log in, and how often to ask.

use super::tls::{Tls, Trust};
use std::{sync::Arc, time::Duration};
use url::Url;

/// A camera to be asked.
pub(crate) struct Target {
    /// Without credentials.
    pub(super) url: Url,
    pub(super) login: Option<(String, String)>,
    /// For `https`.
    pub(super) tls: Option<Tls>,
    /// Files a second, of a camera that sends them one by one.
    fps: u32,
    label: Arc<str>,
}

impl Target {
    /// `url` is without credentials; `login` is user and password, decoded; `trust` is for `https`;
    /// `label` names the camera to people and holds no secret.
    pub(crate) fn new(
        url: &Url,
        login: Option<(&str, &str)>,
        trust: Trust,
        fps: u32,
        label: impl Into<Arc<str>>,
    ) -> Self {
        let mut url = url.clone();
        url.set_fragment(None);
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let tls = (url.scheme() == "https").then(|| Tls::new(trust));
        Self { url, login, tls, fps: fps.max(1), label: label.into() }
    }

    /// The camera in words, without secrets.
    pub(crate) const fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// From one file to the next, of a camera that sends them one by one.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.fps
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host(), self.url.port_or_known_default().unwrap_or(80))
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or("?")
    }

    /// Without the brackets of an IPv6 address.
    pub(super) fn bare_host(&self) -> &str {
        self.host().trim_matches(['[', ']'])
    }

    /// What is asked for: path and query.
    pub(super) fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }
}
