//! Carries out the reconciliations of the lanes that this process owns, and tells the registry how
//! they ended.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use storelink_bus::Bus;
use storelink_events::rpc::{self, Drift};
use storelink_events::subject;
use storelink_model::Timestamp;
use storelink_persistence::{Database, DbError};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::reconcile::{Lost, Reconciliation};
use super::supervisor::Lanes;
use super::task::Shared;
use crate::kind::LaneKind;
use crate::records::drift::{self, Open};
use crate::records::{LaneName, Note};

/// How often is looked for what was asked for: any replica may have been asked, and the owner of the
/// lane carries it out.
const LOOK: Duration = Duration::from_secs(1);
/// Pause after the registry or the database did not answer.
const PAUSE: Duration = Duration::from_secs(5);
/// Pages that are read at once, over all stores: each is held in memory while it is compared.
const PAGES: usize = 32;
/// A walk that takes longer than this does not end at all.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);
/// One that was begun so often and never ended ends its process, or the process is ended all the time.
const BEGUN: i64 = 5;
const ANSWER: Duration = Duration::from_secs(5);

/// The reconciliations of one process.
pub(crate) struct Reconciler<K: LaneKind> {
    pub(crate) lanes: Lanes<K>,
    pub(crate) db: Database,
    pub(crate) bus: Bus,
    pub(crate) shared: Arc<Shared>,
    /// Told when something was asked for here.
    pub(crate) asked: Arc<Notify>,
}

impl<K: LaneKind> Reconciler<K> {
    /// Works until cancelled. What is under way then begins anew where the lane runs next.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        tokio::join!(self.carry_out(&shutdown), self.report(&shutdown));
    }

    async fn carry_out(&self, shutdown: &CancellationToken) {
        let pages = Arc::new(Semaphore::new(PAGES));
        let mut tasks = JoinSet::new();
        // In work here, or ended here and perhaps not written down yet.
        let mut taken = HashSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = tasks.join_next() => {
                    if let Ok(Some(given_up)) = ended {
                        taken.remove(&given_up);
                    }
                    continue;
                }
                () = self.asked.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            let open = match drift::open(&self.db).await {
                Ok(open) => open,
                Err(error) => {
                    tracing::warn!(%error, "reconciliations wait for the database");
                    continue;
                }
            };
            taken.retain(|run| open.iter().any(|one| one.run == *run));
            for one in open {
                if !taken.contains(&one.run)
                    && let Some(task) = self.task(&one, &pages)
                {
                    taken.insert(one.run);
                    tasks.spawn(task);
                }
            }
        }
        tasks.shutdown().await;
    }

    /// The work on a reconciliation whose lane runs here. It gives the run back when it did not end it.
    fn task(
        &self,
        open: &Open,
        pages: &Arc<Semaphore>,
    ) -> Option<impl Future<Output = Option<String>> + Send + use<K>> {
        let handle = self.lanes.get(&open.connection)?;
        let name = handle.state().owned.clone()?;
        let reconciliation = Reconciliation {
            handle,
            name,
            shared: self.shared.clone(),
            pages: pages.clone(),
        };
        let (db, run) = (self.db.clone(), open.run.clone());
        Some(async move {
            let name = reconciliation.name.clone();
            let shared = reconciliation.shared.clone();
            let found = match begun(&db, &run, &name).await {
                Ok(Some(times)) if times > BEGUN => Ok(interrupted()),
                // In a task of its own: an adapter that panics ends its reconciliation and not the run.
                Ok(Some(_)) => guarded(reconciliation).await,
                Ok(None) => return Some(run),
                Err(error) => {
                    tracing::warn!(connection = %name.connection, %error, "a reconciliation waits");
                    return Some(run);
                }
            };
            match found {
                Ok(found) => {
                    end(&shared, &name, run, found).await;
                    None
                }
                Err(Lost) => Some(run),
            }
        })
    }

    /// Tells the registry of every end until it knows.
    async fn report(&self, shutdown: &CancellationToken) {
        let entity = K::names().switch;
        let mut pause = LOOK;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = match self.report_all(entity).await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::debug!(error, "ends of reconciliations are told later");
                    PAUSE
                }
            };
        }
    }

    async fn report_all(&self, entity: &str) -> Result<(), String> {
        let question = subject::rpc("connection-registry", rpc::RUN);
        let reports = drift::unreported(&self.db, entity).await;
        for report in reports.map_err(|error| error.to_string())? {
            let answer = self.bus.request::<_, ()>(&question, &report, ANSWER).await;
            answer.map_err(|error| error.to_string())?;
            let reported = drift::reported(&self.db, &report.run).await;
            reported.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

async fn begun(db: &Database, run: &str, name: &LaneName) -> Result<Option<i64>, DbError> {
    drift::begin(db, run, name.epoch, Timestamp::now()).await
}

async fn guarded<K: LaneKind>(reconciliation: Reconciliation<K>) -> Result<Drift, Lost> {
    let mut alone = JoinSet::new();
    alone.spawn(async move { tokio::time::timeout(LONGEST, reconciliation.run()).await });
    match alone.join_next().await {
        Some(Ok(Ok(found))) => found,
        Some(Ok(Err(_))) => Ok(failed(
            "reconcile.too_long",
            "the store's products were not read to the end within 6 hours",
        )),
        Some(Err(error)) => {
            tracing::error!(%error, "a reconciliation ended unexpectedly");
            Ok(failed(
                "reconcile.failed",
                "the reconciliation failed; the log holds the cause",
            ))
        }
        None => Err(Lost),
    }
}

fn interrupted() -> Drift {
    failed(
        "reconcile.interrupted",
        "its process ended in the middle again and again",
    )
}

fn failed(code: &str, text: &str) -> Drift {
    Drift {
        error_code: Some(code.to_owned()),
        error_text: Some(text.to_owned()),
        ..Drift::default()
    }
}

async fn end(shared: &Shared, name: &Arc<LaneName>, run: String, found: Drift) {
    tracing::info!(
        connection = %name.connection,
        run,
        pages = found.pages,
        compared = found.compared,
        differing = found.differing,
        observed = found.observed,
        code = found.error_code,
        text = found.error_text,
        "a reconciliation is over"
    );
    let failed = found.error_code.is_some();
    shared
        .metrics
        .reconciled(if failed { "failed" } else { "done" });
    let note = Note::Reconciled {
        run,
        finished: Timestamp::now(),
        drift: serde_json::to_string(&found).unwrap_or_default(),
    };
    shared.records.note(name, vec![note]).await;
}
