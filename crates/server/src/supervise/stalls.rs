//! Notices streams that have fallen silent, whoever publishes to them.

use crate::clock::Clock;
use hub::Hub;
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often every stream is looked at. Coarser than a stall time by an order, and costs nothing.
const EVERY: Duration = Duration::from_millis(250);

/// Marks streams as stalled until `stop`. A stall of a publisher that dialled in (RTSP ANNOUNCE, WHIP) is only shown here;
/// one of a supervised source also makes its supervisor act.
pub(crate) async fn watch_stalls(hub: Arc<Hub>, clock: Clock, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for stream in hub.list() {
            if stream.check_stall(clock.now()) {
                tracing::warn!(camera = %stream.name(), reason = %stream.status().reason, "camera stalled");
            }
        }
    }
}
