#![doc = include_str!("../README.md")]
// Ports are public for the simulation alone.
#![cfg_attr(not(feature = "simulation"), allow(unreachable_pub))]

#[cfg(any(test, feature = "simulation"))]
pub mod contract;
pub mod cursor;
mod cursor_store;
mod error;
mod hand_on;
mod handover;
mod hints;
mod in_work;
mod job_gate;
mod links;
mod metrics;
mod one_order;
mod orders;
mod products;
mod read_streams;
mod reading;
mod report;
mod run;
#[cfg(feature = "simulation")]
pub mod simulation;
mod stopped;
mod withheld;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use storelink_bus::{WorkLoop, streams};
use storelink_model::Platform;
use storelink_outbound_http::AnswerMemory;
use storelink_persistence::Migrator;
use storelink_service::ServiceContext;
use storelink_settings::Settings;

pub use error::PollerError;
use worker::Poller;

/// The migrations of this service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Jobs in work at the same time in one process.
const JOBS_IN_WORK: usize = 64;
/// What answers of stores may take together, and what each piece of work may take beside. An answer is
/// in memory up to five times, as bytes, rows, orders, messages and in the connection to the broker:
/// 5 × (24 MiB + 64 × 128 KiB) stays below 160 MiB.
const ANSWERS: usize = 24 * 1024 * 1024;
const SMALL_ANSWER: usize = 128 * 1024;
/// A go at a job ends before this: a walk yields long before.
const LONGEST_GO: Duration = Duration::from_secs(1800);
const DRAIN: Duration = Duration::from_secs(20);

/// Reads the stores of one platform until the context's shutdown.
///
/// # Errors
/// When the service cannot start, or its connection to the broker is closed for good.
pub async fn run(context: ServiceContext, platform: Platform) -> Result<(), PollerError> {
    let ready = context.readiness.check(&format!("poller-{platform}"));
    let database = context
        .database(&database_name(&context.settings, &platform), &MIGRATOR)
        .await?;
    let connections = Arc::new(context.connections().await?);
    let reports = report::Reports::new(&context.bus);
    let metrics = metrics::PollerMetrics::new();
    let hints = Arc::new(hints::Hints::new(
        platform.clone(),
        Arc::new(context.bus.clone()),
        connections.clone(),
        metrics.clone(),
    ));
    let poller = Arc::new(Poller {
        platform: platform.clone(),
        cursors: Arc::new(database.clone()),
        handovers: Arc::new(database.clone()),
        streams: Arc::new(context.bus.clone()),
        connections,
        settings: context.settings.orders.clone(),
        metrics,
        reports: Arc::new(reports.clone()),
        stopped: stopped::Stopped::default(),
        in_work: in_work::InWork::default(),
        memory: AnswerMemory::new(ANSWERS, SMALL_ANSWER),
        shutdown: context.shutdown.clone(),
    });
    ready.ready();
    let jobs = WorkLoop::new(&context.bus, streams::poller(platform.as_str()))
        .batch(JOBS_IN_WORK)
        .time_limit(LONGEST_GO)
        .drain_limit(DRAIN)
        .run(
            move |item| {
                let poller = poller.clone();
                async move { poller.work(item).await }
            },
            context.shutdown.clone(),
        );
    let hinted = WorkLoop::new(&context.bus, streams::hooks(platform.as_str()))
        .batch(hints::BATCH)
        .drain_limit(DRAIN)
        .run_batches(
            move |items| {
                let hints = hints.clone();
                async move { hints.take(&items).await }
            },
            context.shutdown.clone(),
        );
    let outcome = tokio::try_join!(jobs, hinted);
    ready.not_ready("ending");
    reports.finish(Duration::from_secs(5)).await;
    database.close().await;
    outcome?;
    Ok(())
}

/// On PostgreSQL the pollers of all platforms share one schema; a SQLite file serves one process, so
/// there each platform has its own. Platforms may hold an underscore, names of databases may not.
pub fn database_name(settings: &Settings, platform: &Platform) -> String {
    if settings.database.url.expose().starts_with("sqlite:") {
        format!("poller-{}", platform.as_str().replace('_', "-"))
    } else {
        "poller".to_owned()
    }
}
