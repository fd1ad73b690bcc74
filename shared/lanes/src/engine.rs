//! Puts the parts together and runs them.

use std::sync::Arc;
use std::time::Duration;

use storelink_bus::{Bus, LastValueReader, WorkLoopError, streams};
use storelink_persistence::{Database, Migrator};
use storelink_runtime::{TaskSet, timeout};
use storelink_service::{Absences, Connections, ServiceContext, StartError};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::announce::{announce_parked, announce_states};
use crate::answers::Answers;
use crate::deletions::Deletions;
use crate::intake::{BrokerLog, HubRejections, Intake, Mirror, ValueStream};
use crate::kind::LaneKind;
use crate::levels::{follow_holds, publish_missing};
use crate::metrics::LaneMetrics;
use crate::orders::Orders;
use crate::parts::{Feeds, Parts};
use crate::records::Questions;
use crate::runner::{ATTEMPTS_BETWEEN_SNAPSHOTS, OutsideDoubts, Reconciler, supervise};

/// The schema of a publisher's database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// How long records may take to be written at the end.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// A publisher cannot work.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// It cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It cannot read the ERP's events.
    #[error(transparent)]
    Intake(#[from] WorkLoopError),
}

/// Runs the publisher of one kind until the context's shutdown: events of ERPs come in, and every
/// linked store is made to show the values now wanted.
///
/// # Errors
/// When it cannot start. What fails later is tried again.
pub async fn run<K: LaneKind>(context: ServiceContext) -> Result<(), PublisherError> {
    let names = K::names();
    let ready = context.readiness.check(names.service);
    let db = context.database(names.service, &MIGRATOR).await?;
    let connections = context.connections().await?;
    let engine = Engine::<K>::new(&context, db, connections);
    let shutdown = context.shutdown.clone();

    let mut background = TaskSet::default();
    engine.parts.lanes.follow(&engine.connections).await;
    let (recreated, was_recreated) = mpsc::channel(1);
    let feeds = engine.feeds(recreated, &shutdown, &mut background);
    if !engine.parts.replay(feeds, &shutdown, &mut background).await {
        return Ok(());
    }
    ready.ready();
    engine.work(was_recreated, shutdown, background).await
}

/// A publisher's parts and what it is connected to.
struct Engine<K: LaneKind> {
    context: ServiceContext,
    db: Database,
    connections: Connections,
    parts: Parts<K>,
}

impl<K: LaneKind> Engine<K> {
    fn new(context: &ServiceContext, db: Database, connections: Connections) -> Self {
        let rows = Arc::new(db.clone());
        let parts = Parts::new(
            &context.settings.lanes,
            LaneMetrics::new(K::names().entity),
            rows.clone(),
            rows,
            ATTEMPTS_BETWEEN_SNAPSHOTS,
        );
        Self {
            context: context.clone(),
            db,
            connections,
            parts,
        }
    }

    /// What is read before lanes start, and followed then.
    fn feeds(
        &self,
        recreated: mpsc::Sender<()>,
        shutdown: &CancellationToken,
        background: &mut TaskSet,
    ) -> Feeds {
        let bus = &self.context.bus;
        let (holds_read, all_holds) = watch::channel(!K::names().holds);
        if K::names().holds {
            background.spawn(follow_holds(
                bus.clone(),
                self.parts.levels.clone(),
                holds_read,
                shutdown.clone(),
            ));
        }
        let reader = |stream| Box::new(LastValueReader::new(bus, stream, &[]));
        Feeds {
            values: reader(K::names().values),
            recreated,
            listings: reader(streams::names::LISTINGS),
            all_holds,
        }
    }

    async fn work(
        self,
        recreated: mpsc::Receiver<()>,
        shutdown: CancellationToken,
        mut background: TaskSet,
    ) -> Result<(), PublisherError> {
        let bus = self.context.bus.clone();
        let Parts {
            levels,
            lanes,
            mut ownership,
            shared,
            states,
            written,
            abandon,
        } = self.parts;
        let rows = Arc::new(self.db.clone());
        let log = BrokerLog {
            bus: bus.clone(),
            stream: K::names().values,
        };
        let mirror = Mirror::new(rows.clone());
        let stream = Arc::new(ValueStream::new(Arc::new(log), mirror, levels.clone()));
        let questions = Arc::new(Questions::new(self.db.clone(), K::names().entity));
        let parked = shared.records.parked();

        background.spawn(publish_missing(stream.clone(), recreated, shutdown.clone()));
        background.spawn(announce_parked(
            bus.clone(),
            questions.clone(),
            K::names(),
            parked,
            shutdown.clone(),
        ));
        background.spawn(announce_states(
            bus.clone(),
            lanes.clone(),
            states,
            shutdown.clone(),
        ));
        let reconcile = Arc::new(Notify::new());
        let answers = Answers {
            bus: bus.clone(),
            replica: ownership.owner().to_owned(),
            lanes: lanes.clone(),
            levels,
            questions,
            reconcile: reconcile.clone(),
        };
        answers.serve(&shutdown, &mut background);
        let reconciler = Reconciler {
            lanes: lanes.clone(),
            db: self.db.clone(),
            bus: bus.clone(),
            shared: shared.clone(),
            asked: reconcile,
        };
        background.spawn(reconciler.run(shutdown.clone()));

        let deletions = Deletions {
            db: self.db,
            absences: Absences::new(&bus, Absences::GRACE),
        };
        background.spawn(deletions.follow(self.connections.clone(), shutdown.clone()));

        let metrics = shared.metrics.clone();
        metrics.observe_lanes(&lanes);
        let rejections = HubRejections {
            bus: bus.clone(),
            service: K::names().service,
        };
        let intake = Intake::new(
            Arc::new(rejections),
            rows.clone(),
            stream,
            Arc::new(self.connections.clone()),
            metrics,
        );
        let recheck_after = self.context.settings.lanes.order_recheck_after;
        let orders = Orders::new(
            lanes.clone(),
            rows.clone(),
            time::Duration::try_from(recheck_after).unwrap_or(time::Duration::HOUR),
        );
        let context = self.context.clone();
        background.spawn(async move {
            if let Err(error) = orders.run(&context).await {
                tracing::error!(%error, "orders are no longer followed");
            }
        });
        let doubts = OutsideDoubts::begin(lanes.clone(), rows).await;
        background.spawn(doubts.follow(shutdown.clone()));
        let supervised = supervise(lanes, &self.connections, &mut ownership, shutdown.clone());
        let (taken_in, ()) = tokio::join!(end_all_on_error(intake, &bus, &shutdown), supervised);

        drop(shared);
        // The tasks that are ended let go of the records, and the writer ends.
        background.shutdown().await;
        if timeout(LAST_RECORDS, written).await.is_err() {
            tracing::warn!("the last records were not written; the next start looks again");
            abandon.cancel();
        }
        // Last: who takes a lane then finds everything that this process noted of it.
        if let Err(error) = ownership.release().await {
            tracing::warn!(%error, "lanes were not given back; others wait for the lease to end");
        }
        Ok(taken_in?)
    }
}

/// Without intake the lanes would go on with values that grow old unseen.
async fn end_all_on_error<K: LaneKind>(
    intake: Intake<K>,
    bus: &Bus,
    shutdown: &CancellationToken,
) -> Result<(), WorkLoopError> {
    let ended = intake.run(bus, shutdown.clone()).await;
    if ended.is_err() {
        shutdown.cancel();
    }
    ended
}
