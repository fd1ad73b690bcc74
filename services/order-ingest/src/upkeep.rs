//! What goes on beside the work: health, levels, expiry, and orders that a changed setting releases.

use std::time::Duration;

use storelink_events::connection::RoundingChoice;
use storelink_model::Timestamp;
use storelink_persistence::{Database, DbError, args};
use storelink_telemetry::ReadinessCheck;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ledger::HeldOrders;
use crate::metrics::{IngestMetrics, Levels};
use crate::relay::Relay;
use crate::{IngestError, hub_store};

const LOOK_EVERY: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// An order may be held by a setting that changed before its transaction was committed.
pub(crate) const RELEASE_EVERY: Duration = Duration::from_secs(60);
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);
/// Rows of one statement of the expiry: it must not hold the writer for long.
const EXPIRE_ROWS: i64 = 500;
const RELEASE_ROWS: i64 = 100;
const DAY_MICROS: i64 = 86_400_000_000;

/// Tells whether the database answers, and how much waits.
pub(crate) async fn watch(
    database: Database,
    ready: ReadinessCheck,
    metrics: IngestMetrics,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        match timeout(ANSWER_LIMIT, levels(&database)).await {
            Ok(Ok(levels)) => {
                metrics.levels(levels);
                ready.ready();
            }
            Ok(Err(error)) => ready.not_ready(format!("the database fails: {}", error.code())),
            Err(_) => ready.not_ready("the database does not answer"),
        }
        pause(LOOK_EVERY, &stop).await;
    }
    ready.not_ready("ending");
}

async fn levels(database: &Database) -> Result<Levels, DbError> {
    let outbox = database
        .fetch_one(
            "SELECT COUNT(*) AS waiting, MIN(created) AS oldest FROM outbox \
             WHERE published IS NULL",
            args![],
        )
        .await?;
    let parked = database
        .fetch_one("SELECT COUNT(*) AS parked FROM parked", args![])
        .await?;
    let oldest = outbox.opt_int("oldest")?;
    let age = oldest.map_or(0, |oldest| (Timestamp::now().micros() - oldest) / 1_000_000);
    Ok(Levels {
        outbox_rows: outbox.int("waiting")?,
        oldest_seconds: age.max(0),
        parked: parked.int("parked")?,
    })
}

/// Lets raw payloads expire after so many days, and published events once the broker forgot them.
pub(crate) async fn expire(database: Database, payload_days: u32, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let now = Timestamp::now().micros();
        let payloads = now - i64::from(payload_days) * DAY_MICROS;
        let kept = i64::try_from(hub_store::kept_for().as_micros()).unwrap_or(i64::MAX);
        let outcome = expire_before(&database, payloads, now.saturating_sub(kept), &stop).await;
        if let Err(error) = outcome {
            tracing::warn!(code = error.code(), %error, "expired data is removed later");
        }
        pause(EXPIRE_EVERY, &stop).await;
    }
}

async fn expire_before(
    database: &Database,
    payloads: i64,
    events: i64,
    stop: &CancellationToken,
) -> Result<(), DbError> {
    let blank = "UPDATE revisions SET raw = '' WHERE (order_id, revision) IN (\
                 SELECT order_id, revision FROM revisions \
                 WHERE raw <> '' AND stored_at < $1 ORDER BY stored_at LIMIT $2)";
    while !stop.is_cancelled() {
        if database
            .execute(blank, args![payloads, EXPIRE_ROWS])
            .await?
            == 0
        {
            break;
        }
    }
    let forget = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox \
                  WHERE created < $1 AND published IS NOT NULL ORDER BY created LIMIT $2)";
    while !stop.is_cancelled() {
        if database.execute(forget, args![events, EXPIRE_ROWS]).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Orders that are held because of rounding go on as soon as their connection's setting allows it: they
/// are looked at when connections change, and every so often.
pub(crate) async fn release(
    held: HeldOrders,
    relay: Relay,
    mut changes: watch::Receiver<u64>,
    every: Duration,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        changes.mark_unchanged();
        let more = match release_held(&held, &relay).await {
            Ok(()) => every,
            Err(error) => {
                tracing::warn!(code = error.code(), %error, "held orders are looked at later");
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            changed = changes.changed() => if changed.is_err() { return },
            () = pause(more, &stop) => {}
        }
    }
}

async fn release_held(orders: &HeldOrders, relay: &Relay) -> Result<(), IngestError> {
    let mut after = String::new();
    loop {
        let held = orders.held_by_rounding(&after, RELEASE_ROWS).await?;
        let Some((_, _, last)) = held.last() else {
            return Ok(());
        };
        after = last.to_string();
        for (tenant, connection, order) in &held {
            if orders.rounding_of(connection) == RoundingChoice::Hold {
                continue;
            }
            orders.reassess(tenant, order).await?;
            relay.wake();
        }
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = sleep(time) => {}
    }
}

#[cfg(test)]
mod tests {
    use storelink_bus::{Bus, BusOptions};
    use storelink_model::ConnectionId;
    use storelink_order::Order;
    use storelink_test_support::broker::TestBroker;
    use storelink_test_support::database::TestDatabase;
    use storelink_test_support::eventually::eventually;
    use storelink_test_support::on_each_database;

    use super::*;
    use crate::Ledger;
    use crate::contract::{arrival_of, order};

    on_each_database!(
        old_payloads_are_blanked_and_old_published_events_forgotten,
        orders_held_by_the_setting_of_a_moment_ago_go_on,
    );

    async fn orders_held_by_the_setting_of_a_moment_ago_go_on(place: TestDatabase) {
        let database = Database::open(&place.settings(), "order-ingest")
            .await
            .unwrap();
        database.migrate(&crate::MIGRATOR).await.unwrap();
        let broker = TestBroker::start().await.unwrap();
        let bus = Bus::connect(&BusOptions::new(broker.url(), "test"))
            .await
            .unwrap();
        let ledger = |rounding| Ledger::new(database.clone(), move |_| rounding);
        // No connection changes any more.
        let (_changes, unchanged) = watch::channel(0);
        let stop = CancellationToken::new();
        let releasing = tokio::spawn(release(
            HeldOrders::new(database.clone(), ledger(RoundingChoice::Deliver)),
            Relay::new(database.clone(), bus),
            unchanged,
            Duration::from_millis(20),
            stop.clone(),
        ));
        let connection = ConnectionId::generate();
        let count = async |what: &'static str| {
            let row = database.fetch_one(what, args![]).await?;
            row.int("n")
        };
        // One after the other, so that at least the later ones come behind the first look.
        for number in 1..=4 {
            let held = Order {
                total: "10.01".parse().unwrap(),
                ..order(&number.to_string(), 1_000)
            };
            let arrival = arrival_of(&connection, number, held);
            ledger(RoundingChoice::Hold).take(&arrival).await.unwrap();
            eventually("it goes on", Duration::from_secs(30), async || {
                let events = "SELECT COUNT(*) AS n FROM outbox WHERE kind = 'order'";
                let (events, parked) = (
                    count(events).await?,
                    count("SELECT COUNT(*) AS n FROM parked").await?,
                );
                anyhow::ensure!((events, parked) == (number, 0), "{events}, {parked}");
                Ok(())
            })
            .await
            .unwrap();
        }
        let told = "SELECT COUNT(*) AS n FROM outbox WHERE kind = 'parked'";
        assert_eq!(count(told).await.unwrap(), 4, "each was held at first");
        stop.cancel();
        releasing.await.unwrap();
    }

    async fn old_payloads_are_blanked_and_old_published_events_forgotten(place: TestDatabase) {
        let database = Database::open(&place.settings(), "order-ingest")
            .await
            .unwrap();
        database.migrate(&crate::MIGRATOR).await.unwrap();
        database
            .execute(
                "INSERT INTO orders (id, tenant, connection, platform, external_id, read_number, \
                 read_at, content_hash, revision, announced_revision, first_seen, changed, locked) \
                 VALUES ('ord', 'acme', 'con', 'p', '1', 1, 1, 'h', 2, 2, 1, 1, 1)",
                args![],
            )
            .await
            .unwrap();
        let revisions = [(1_i64, 100_i64), (2, 200)]
            .map(|(n, at)| args!["ord", n, "h", n, at, "{\"name\":\"Ana\"}", "{}", at]);
        database
            .execute_values(
                "INSERT INTO revisions (order_id, revision, content_hash, read_number, read_at, \
                 raw, normalised, stored_at) VALUES",
                "",
                revisions.to_vec(),
            )
            .await
            .unwrap();
        let events = [
            ("old", 100_i64, Some(150_i64)),
            ("waiting", 100, None),
            ("new", 200, Some(210)),
        ]
        .map(|(id, created, published)| {
            args![
                id, "order", "acme", "con", id, 1_i64, "s", "{}", created, 0_i64, 0_i64, published
            ]
        });
        database
            .execute_values(
                "INSERT INTO outbox (id, kind, tenant, connection, chain, position, subject, \
                 payload, created, due, attempts, published) VALUES",
                "",
                events.to_vec(),
            )
            .await
            .unwrap();

        expire_before(&database, 200, 200, &CancellationToken::new())
            .await
            .unwrap();

        let rows = database
            .fetch_all(
                "SELECT raw, normalised FROM revisions ORDER BY revision",
                args![],
            )
            .await
            .unwrap();
        let raw: Vec<String> = rows.iter().map(|row| row.text("raw").unwrap()).collect();
        assert_eq!(raw, ["", "{\"name\":\"Ana\"}"]);
        assert_eq!(rows[0].text("normalised").unwrap(), "{}");
        let left = database
            .fetch_all("SELECT id FROM outbox ORDER BY id", args![])
            .await
            .unwrap();
        let left: Vec<String> = left.iter().map(|row| row.text("id").unwrap()).collect();
        assert_eq!(left, ["new", "waiting"]);
        let levels = levels(&database).await.unwrap();
        assert_eq!((levels.outbox_rows, levels.parked), (1, 0));
        assert!(levels.oldest_seconds > 1_000_000_000, "{levels:?}");
    }
}
