//! Follows the holds into the level table.

use storelink_bus::Bus;
use storelink_model::Timestamp;
use storelink_service::{HoldsEvent, HoldsWatch};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Levels;
use crate::kind::LaneKind;

/// Reads all holds until cancelled. `caught_up` becomes true when everything that was there at the
/// start is in the table.
pub(crate) async fn follow_holds<K: LaneKind>(
    bus: Bus,
    levels: Levels<K>,
    caught_up: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let mut watch = HoldsWatch::new(&bus);
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            event = watch.next() => event,
        };
        match event {
            HoldsEvent::Changed(changed) => {
                let tenant = levels.tenant(&changed.tenant);
                tenant.hold(&changed.sku, changed.holds, Timestamp::now());
            }
            HoldsEvent::SnapshotComplete => {
                caught_up.send_replace(true);
            }
        }
    }
}
