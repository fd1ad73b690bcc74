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
    watch_for(REMEMBERED, bus, readiness, shutdown);
}

fn watch_for(remembered: Duration, bus: &Bus, readiness: &Readiness, shutdown: CancellationToken) {
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
            let next = match tokio::time::timeout(remembered, next).await {
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

#[cfg(test)]
mod tests {
    use storelink_bus::{BusOptions, Credentials, Publication};
    use storelink_test_support::broker::{BrokerOptions, TestBroker};

    use super::*;

    const USERS: &str = "authorization { users = [ { user: role, password: p, permissions: {\
        publish: [\"$JS.API.INFO\"], subscribe: [\"_INBOX.>\"] } } ] }\n";

    async fn until(readiness: &Readiness, ready: bool) {
        let limit = Duration::from_secs(20);
        let change = async {
            while readiness.is_ready() != ready {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(limit, change).await.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_makes_the_process_unready_for_its_time_and_not_for_ever() {
        let options = BrokerOptions {
            extra_config: USERS.to_owned(),
            ..BrokerOptions::default()
        };
        let broker = TestBroker::start_with(options).await.unwrap();
        let mut options = BusOptions::new(broker.url(), "role");
        options.credentials = Credentials::UserPassword {
            user: "role".to_owned(),
            password: "p".to_owned().into(),
        };
        let bus = Bus::connect(&options).await.unwrap();
        let readiness = Readiness::new();
        let shutdown = CancellationToken::new();
        watch_for(
            Duration::from_millis(300),
            &bus,
            &readiness,
            shutdown.clone(),
        );
        for subject in ["stock.a", "stock.b"] {
            until(&readiness, true).await;
            let error = bus
                .publish(Publication::new(subject, "1"))
                .await
                .unwrap_err();
            assert_eq!(error.code(), "bus.forbidden");
            until(&readiness, false).await;
            let reasons = readiness.reasons();
            let reason = reasons.get("broker-permissions").unwrap();
            assert!(
                reason.contains(subject) && reason.contains("role"),
                "{reason}"
            );
        }
        until(&readiness, true).await;
        shutdown.cancel();
    }
}
