//! What the broker forbids to this process, shown where operators look.

use std::time::Duration;

use storelink_bus::Bus;
use storelink_telemetry::{Readiness, metrics};
use tokio_util::sync::CancellationToken;

/// How long a refusal keeps the process unready: a role asks often for what it needs, so that a mistake
/// in its permissions shows all the time.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Counts refused permissions, and holds the process unready while there was one within a minute.
pub(crate) fn watch(bus: &Bus, readiness: &Readiness, shutdown: CancellationToken) {
    let check = readiness.check("broker-permissions");
    check.ready();
    let counter = metrics().counter(
        "broker_permission_violations",
        "What the broker's user was not allowed to do.",
    );
    // So that the series is there before the first one.
    counter.add(0, &[]);
    let bus = bus.clone();
    tokio::spawn(shutdown.run_until_cancelled_owned(async move {
        let (mut seen, mut forbidden) = bus.violation_after(0).await;
        counter.add(seen, &[]);
        loop {
            check.not_ready(format!("{forbidden} ({})", forbidden.code()));
            let next = bus.violation_after(seen);
            let next = match tokio::time::timeout(REMEMBERED, next).await {
                Ok(next) => next,
                Err(_) => {
                    check.ready();
                    bus.violation_after(seen).await
                }
            };
            counter.add(next.0.saturating_sub(seen), &[]);
            (seen, forbidden) = next;
        }
    }));
}
