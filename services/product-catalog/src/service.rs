use std::sync::Arc;
use std::time::Duration;

use storelink_bus::{WorkLoop, streams};
use storelink_persistence::{Database, DbError};
use storelink_service::{Absences, Connections, ServiceContext};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::answers::Answers;
use crate::deletion::Deletions;
use crate::erp::ErpIntake;
use crate::intake::Intake;
use crate::publication::Publisher;
use crate::{CatalogError, MIGRATOR, SERVICE, choices};

/// The most products in one transaction.
const BATCH: usize = 200;
/// The most events of ERPs that are taken at once.
const ERP_BATCH: usize = 50;
/// How often is looked for deleted connections.
const LOOK: Duration = Duration::from_secs(15);

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
    let deletions = Deletions::new(&context.bus, &database, Absences::GRACE);
    let following = follow(&database, &connections, deletions, &called, &shutdown);
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

    let erp_intake = Arc::new(ErpIntake {
        bus: context.bus.clone(),
        database: database.clone(),
        tenants: connections.clone(),
    });
    let hearing = WorkLoop::new(&context.bus, streams::PRODUCT_INTAKE)
        .batch(ERP_BATCH)
        .run_batches(
            move |items| {
                let intake = erp_intake.clone();
                async move { intake.take(items).await }
            },
            shutdown.clone(),
        );

    // The publisher ends last: it publishes what the last batch changed.
    let publisher = Publisher {
        bus: context.bus.clone(),
        database: database.clone(),
        connections: connections.clone(),
        compared_on: None,
    };
    let read_out = CancellationToken::new();
    let publishing = publisher.run(&called, read_out.clone());
    let working = async {
        let outcome = async {
            tokio::try_join!(
                async { reading.await.map_err(CatalogError::from) },
                async { hearing.await.map_err(CatalogError::from) },
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
    mut deletions: Deletions,
    called: &Notify,
    shutdown: &CancellationToken,
) -> Result<(), DbError> {
    let mut changes = connections.subscribe();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        changes.mark_unchanged();
        match choices::follow(database, connections).await {
            Ok(()) => called.notify_one(),
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "settings are followed later");
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            _ = looks.tick() => {
                let all = connections.all();
                let linked = all.iter().map(|linked| linked.record.id.clone()).collect();
                if let Err(error) = deletions.forget(&linked).await {
                    tracing::warn!(%error, "deleted connections are forgotten later");
                }
            }
        }
    }
}
