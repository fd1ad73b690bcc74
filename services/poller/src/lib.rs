#![doc = include_str!("../README.md")]

pub mod cursor;
mod cursor_store;
mod error;
mod hand_on;
mod handover;
mod in_work;
mod job_gate;
mod metrics;
mod one_order;
mod orders;
mod products;
mod reading;
mod report;
mod run;
mod stopped;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use storelink_bus::{WorkLoop, streams};
use storelink_model::Platform;
use storelink_persistence::Migrator;
use storelink_service::ServiceContext;
use storelink_settings::Settings;

pub use error::PollerError;
use worker::Poller;

/// The migrations of this service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Jobs in work at the same time in one process.
const JOBS_IN_WORK: usize = 64;
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
    let connections = context.connections().await?;
    let reports = report::Reports::new(&context.bus);
    let poller = Arc::new(Poller {
        platform: platform.clone(),
        database: database.clone(),
        bus: context.bus.clone(),
        connections,
        settings: context.settings.orders.clone(),
        metrics: metrics::PollerMetrics::new(),
        reports: reports.clone(),
        stopped: stopped::Stopped::default(),
        in_work: in_work::InWork::default(),
        shutdown: context.shutdown.clone(),
    });
    ready.ready();
    let jobs = WorkLoop::new(&context.bus, streams::poller(platform.as_str()))
        .batch(JOBS_IN_WORK)
        .time_limit(LONGEST_GO)
        .drain_limit(DRAIN);
    let outcome = jobs
        .run(
            move |item| {
                let poller = poller.clone();
                async move { poller.work(item).await }
            },
            context.shutdown.clone(),
        )
        .await;
    ready.not_ready("ending");
    reports.finish(Duration::from_secs(5)).await;
    database.close().await;
    Ok(outcome?)
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
