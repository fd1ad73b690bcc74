//! Telling the registry how a run ended. The cursor never waits for it.

use std::sync::Arc;
use std::time::Duration;

use storelink_bus::Bus;
use storelink_bus::rpc::RpcError;
use storelink_events::internal::RunReport;
use storelink_events::{rpc, subject};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

const ATTEMPTS: u32 = 6;
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Reports on their way at the same time; when the registry is away for long, the newest are dropped.
const ON_THEIR_WAY: usize = 256;

/// Takes the reports of runs.
pub trait RunReports: Send + Sync {
    /// Sends a report. Returns at once.
    fn send(&self, report: RunReport);
}

/// Sends reports in the background.
#[derive(Debug, Clone)]
pub(crate) struct Reports {
    bus: Bus,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Reports {
    pub(crate) fn new(bus: &Bus) -> Self {
        Self {
            bus: bus.clone(),
            slots: Arc::new(Semaphore::new(ON_THEIR_WAY)),
            tasks: TaskTracker::new(),
        }
    }

    /// Lets reports on their way arrive.
    pub(crate) async fn finish(&self, limit: Duration) {
        self.tasks.close();
        timeout(limit, self.tasks.wait()).await.ok();
    }
}

impl RunReports for Reports {
    /// Sends a report, and tries again for about a minute.
    fn send(&self, report: RunReport) {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            tracing::warn!(
                run = report.run,
                "a run is not reported: the registry does not answer"
            );
            return;
        };
        let bus = self.bus.clone();
        self.tasks.spawn(async move {
            deliver(&bus, &report).await;
            drop(slot);
        });
    }
}

async fn deliver(bus: &Bus, report: &RunReport) {
    let question = subject::rpc("connection-registry", rpc::RUN);
    for attempt in 1..=ATTEMPTS {
        match bus.request::<_, ()>(&question, report, ANSWER_LIMIT).await {
            Ok(()) => return,
            Err(RpcError::Fault(fault)) => {
                tracing::warn!(
                    run = report.run,
                    code = fault.code,
                    "the registry refuses a run"
                );
                return;
            }
            Err(error) if attempt == ATTEMPTS => {
                tracing::warn!(run = report.run, %error, "a run is not reported");
            }
            Err(_) => sleep(Duration::from_millis(500 << attempt)).await,
        }
    }
}
