//! The news for all live WebSockets, put into words once for everybody.

use super::{Api, view};
use axum::extract::ws::Utf8Bytes;
use std::time::Duration;
use tokio::sync::watch;

/// Ages and rates go out this often even if nothing else happens.
const EVERY: Duration = Duration::from_secs(1);

/// Starts the task that writes the news; it ends with the server or its last reader.
pub(super) fn start(api: &Api) -> watch::Receiver<Utf8Bytes> {
    let (sender, receiver) = watch::channel(snapshot(api));
    tokio::spawn(write(api.clone(), sender));
    receiver
}

async fn write(api: Api, feed: watch::Sender<Utf8Bytes>) {
    let mut changes = api.cameras.changes();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            changed = changes.changed() => if changed.is_err() { return },
            () = api.stop.cancelled() => return,
            () = feed.closed() => return,
        }
        feed.send_replace(snapshot(&api));
    }
}

fn snapshot(api: &Api) -> Utf8Bytes {
    let cameras = view::all(api);
    serde_json::json!({ "type": "cameras", "cameras": cameras }).to_string().into()
}
