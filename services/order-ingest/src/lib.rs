#![doc = include_str!("../README.md")]
// Ports are public for the simulation alone.
#![cfg_attr(not(feature = "simulation"), allow(unreachable_pub))]

mod announcement;
mod assessment;
mod broker;
#[cfg(any(test, feature = "simulation"))]
pub mod contract;
mod error;
mod fresh_read;
mod hub_store;
mod intake;
mod ledger;
mod metrics;
mod outbox;
mod questions;
mod refused;
mod relay;
pub mod revision;
#[cfg(feature = "simulation")]
pub mod simulation;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use storelink_bus::{WorkLoop, streams};
use storelink_events::connection::RoundingChoice;
use storelink_persistence::Migrator;
use storelink_service::ServiceContext;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use error::IngestError;
pub use hub_store::{Scope, re_emit};
use ledger::HeldOrders;
pub use ledger::{Arrival, Ledger};
pub use relay::Relay;

/// The migrations of this service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Name of the service: of its database, its questions and their queue group.
pub(crate) const SERVICE: &str = "order-ingest";

/// Orders of one transaction: most have a few kilobytes, some have megabytes.
const BATCH: usize = 64;
/// What they may have together; more than the largest one, so that none comes alone for its size.
const BATCH_BYTES: usize = 12 * 1024 * 1024;
const DRAIN: Duration = Duration::from_secs(15);
/// Longer than the relay's last pass.
const ENDING: Duration = Duration::from_secs(8);

/// Keeps the ledger until the context's shutdown: finishes the batch in hand, publishes what waits,
/// closes the database.
///
/// # Errors
/// When the service cannot start, or its connection to the broker is closed for good.
pub async fn run(context: ServiceContext) -> Result<(), IngestError> {
    let ready = context.readiness.check(SERVICE);
    let database = context.database(SERVICE, &MIGRATOR).await?;
    let connections = context.connections().await?;
    let linked = connections.clone();
    let ledger = Ledger::new(database.clone(), move |connection| {
        let link = linked.get(connection);
        // Without the record nobody knows what was chosen, and a delivery cannot be taken back.
        link.map_or(RoundingChoice::Hold, |link| link.record.settings.rounding)
    });
    let held = HeldOrders::new(database.clone(), ledger.clone());
    let relay = Relay::new(database.clone(), context.bus.clone());
    let metrics = metrics::IngestMetrics::new();

    // The relay goes on after the last batch, for what that one wrote.
    let (beside, last) = (TaskTracker::new(), CancellationToken::new());
    let stop = context.shutdown.child_token();
    let days = context.settings.orders.payload_retention_days;
    beside.spawn(upkeep::watch(
        database.clone(),
        ready,
        metrics.clone(),
        stop.clone(),
    ));
    beside.spawn(upkeep::expire(database.clone(), days, stop.clone()));
    beside.spawn(upkeep::release(
        held.clone(),
        relay.clone(),
        connections.subscribe(),
        upkeep::RELEASE_EVERY,
        stop.clone(),
    ));
    let relaying = relay.clone();
    let stop_relay = last.clone();
    beside.spawn(async move { relaying.run(stop_relay).await });

    let questions = questions::Questions {
        held,
        relay: relay.clone(),
        bus: context.bus.clone(),
    };
    let intake = Arc::new(intake::Intake {
        ledger,
        relay,
        broker: Arc::new(context.bus.clone()),
        metrics,
    });
    let orders = WorkLoop::new(&context.bus, streams::ORDER_INGEST)
        .batch(BATCH)
        .batch_bytes(BATCH_BYTES)
        .drain_limit(DRAIN)
        .run_batches(
            move |items| {
                let intake = intake.clone();
                async move { intake.take(&items).await }
            },
            stop.clone(),
        );
    let outcome = futures::try_join!(async { orders.await.map_err(IngestError::from) }, async {
        questions
            .serve(stop.clone())
            .await
            .map_err(IngestError::from)
    },);

    last.cancel();
    stop.cancel();
    beside.close();
    if tokio::time::timeout(ENDING, beside.wait()).await.is_err() {
        tracing::warn!("some work did not end in time; it goes on at the next start");
    }
    database.close().await;
    outcome.map(drop)
}
