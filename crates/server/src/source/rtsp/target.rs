//! Which camera, how to log in, and how its packets are to come.

use retina::client::{Credentials, Transport};
use std::sync::Arc;
use url::Url;

/// Our own option in the query of a source's URL. The camera does not see it.
const TRANSPORT: &str = "transport";

/// A camera to be dialled.
pub(crate) struct Target {
    /// As the camera wants it: without credentials and without our options.
    pub(super) url: Url,
    pub(super) credentials: Option<Credentials>,
    pub(super) transport: Wanted,
    label: Arc<str>,
}

/// How packets are to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// Over the RTSP connection, or by UDP with a camera that has nothing else.
    Any,
    Tcp,
    Udp,
}

impl Wanted {
    /// What to ask for first.
    pub(super) fn first(self) -> Transport {
        match self {
            Self::Any | Self::Tcp => Transport::Tcp(Default::default()),
            Self::Udp => Transport::Udp(Default::default()),
        }
    }
}

impl Target {
    /// `url` is without credentials; `login` is user and password, decoded; `label` names the
    /// camera to people and holds no secret.
    pub(super) fn new(url: &Url, login: Option<(&str, &str)>, label: impl Into<Arc<str>>) -> Self {
        let mut url = url.clone();
        let transport = take_transport(&mut url);
        let credentials = login.map(|(user, password)| Credentials {
            username: user.to_owned(),
            password: password.to_owned(),
        });
        Self { url, credentials, transport, label: label.into() }
    }

    /// The camera in words, without secrets: `rtsp://192.0.2.10/stream1`.
    pub(crate) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or("?"), self.url.port().unwrap_or(554))
    }

    /// `text` with the password and the URL's query, which may hold one, blotted out, should a peer
    /// have sent them back.
    pub(super) fn scrub(&self, text: &str) -> String {
        let password = self.credentials.iter().map(|c| c.password.as_str());
        let secrets = password.chain(self.url.query()).filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// Takes our option out of the query and leaves the rest as it was written: cameras are particular
/// about it.
fn take_transport(url: &mut Url) -> Wanted {
    let query = url.query().unwrap_or_default().to_owned();
    let (ours, theirs): (Vec<_>, Vec<_>) =
        query.split('&').partition(|pair| transport(pair).is_some());
    if !ours.is_empty() {
        let theirs = theirs.join("&");
        url.set_query(Some(theirs.as_str()).filter(|query| !query.is_empty()));
    }
    ours.last().and_then(|pair| transport(pair)).unwrap_or(Wanted::Any)
}

fn transport(pair: &str) -> Option<Wanted> {
    match pair.split_once('=')? {
        (TRANSPORT, "tcp") => Some(Wanted::Tcp),
        (TRANSPORT, "udp") => Some(Wanted::Udp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, login: Option<(&str, &str)>) -> Target {
        Target::new(&url.parse().unwrap(), login, "camera")
    }

    #[test]
    fn our_option_is_taken_out_and_theirs_stay_as_written() {
        for (url, camera_sees, wanted) in [
            ("rtsp://cam/a?channel=1&subtype=0", "rtsp://cam/a?channel=1&subtype=0", Wanted::Any),
            ("rtsp://cam/a?transport=udp", "rtsp://cam/a", Wanted::Udp),
            ("rtsp://cam/a?x&transport=tcp&y=%20z", "rtsp://cam/a?x&y=%20z", Wanted::Tcp),
            ("rtsp://cam/a?transport=multicast", "rtsp://cam/a?transport=multicast", Wanted::Any),
            ("rtsp://cam:8554/", "rtsp://cam:8554/", Wanted::Any),
        ] {
            let target = target(url, None);
            assert_eq!((target.url.as_str(), target.transport), (camera_sees, wanted));
        }
    }

    #[test]
    fn the_password_goes_to_the_camera_only() {
        let target = target("rtsp://cam/a?token=abc", Some(("admin", "s3cr@t")));
        assert_eq!(target.scrub("you sent s3cr@t to /a?token=abc"), "you sent *** to /a?***");
        assert_eq!(target.address(), "cam:554");
    }
}
