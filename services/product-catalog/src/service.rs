use std::collections::HashSet;
use std::sync::Arc;

use storelink_bus::{WorkLoop, streams};
use storelink_persistence::Database;
use storelink_service::{Connections, ServiceContext};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::answers::Answers;
use crate::intake::Intake;
use crate::publication::Publisher;
use crate::{CatalogError, MIGRATOR, SERVICE, choices};

/// The most products in one transaction.
const BATCH: usize = 200;

/// Runs the catalogue until the context's shutdown.
///
/// # Errors
/// When it cannot start, or broker or database fail for good.
pub async fn run(context: ServiceContext) -> Result<(), CatalogError> {
    let ready = context.readiness.check(SERVICE);
    let database = context.database(SERVICE, &MIGRATOR).await?;
    let connections = context.connections().await?;
    let called = Arc::new(Notify::new());
    let shutdown = context.shutdown.clone();
    ready.ready();

    let answers = Answers {
        database: database.clone(),
        connections: connections.clone(),
    };
    let answering = answers.serve(&context);
    let following = follow(&database, &connections, &called, &shutdown);
    let products = storelink_telemetry::metrics()
        .counter("products_read_total", "Products taken into the catalogue.");
    let intake = Arc::new(Intake {
        database: database.clone(),
        publisher: called.clone(),
        products,
    });
    let reading = WorkLoop::new(&context.bus, streams::PRODUCT_CATALOG)
        .batch(BATCH)
        .run_batches(
            move |items| {
                let intake = intake.clone();
                async move { intake.take(items).await }
            },
            shutdown.clone(),
        );

    // The publisher ends last: it publishes what the last batch changed.
    let publisher = Publisher {
        bus: context.bus.clone(),
        database: database.clone(),
        connections: connections.clone(),
    };
    let read_out = CancellationToken::new();
    let publishing = publisher.run(&called, read_out.clone());
    let working = async {
        let outcome = async {
            tokio::try_join!(
                async { reading.await.map_err(CatalogError::from) },
                async { answering.await.map_err(CatalogError::from) },
                async { following.await.map_err(CatalogError::from) },
            )
        }
        .await;
        read_out.cancel();
        outcome
    };
    let (outcome, ()) = tokio::join!(working, publishing);
    database.close().await;
    outcome.map(drop)
}

/// Follows settings and deletions of connections.
async fn follow(
    database: &Database,
    connections: &Connections,
    called: &Notify,
    shutdown: &CancellationToken,
) -> Result<(), storelink_persistence::DbError> {
    let mut changes = connections.subscribe();
    let mut seen = HashSet::new();
    loop {
        changes.mark_unchanged();
        let followed = async {
            choices::follow(database, connections).await?;
            choices::forget_deleted(database, connections, &mut seen).await
        };
        let pause = match followed.await {
            Ok(()) => std::time::Duration::from_secs(3600),
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "settings are followed later");
                std::time::Duration::from_secs(5)
            }
            Err(error) => return Err(error),
        };
        called.notify_one();
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(pause) => {}
        }
    }
}
