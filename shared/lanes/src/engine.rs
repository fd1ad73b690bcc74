//! Puts the parts together and runs them.

use std::sync::Arc;
use std::time::Duration;

use storelink_bus::WorkLoopError;
use storelink_persistence::{Database, Migrator};
use storelink_service::{Connections, ServiceContext, StartError};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::announce::{announce_parked, announce_states};
use crate::answers::Answers;
use crate::intake::{Intake, Mirror, ValueStream};
use crate::kind::LaneKind;
use crate::levels::{Levels, follow_holds, follow_values, publish_missing};
use crate::metrics::LaneMetrics;
use crate::orders::Orders;
use crate::ownership::Ownership;
use crate::records::{Questions, Records};
use crate::runner::{Lanes, OutsideDoubts, Reconciler, Shared, follow_listings, supervise};

/// The schema of a publisher's database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Connections whose state waits to be looked at; more are found by the regular look at all.
const STATES_WAITING: usize = 1_024;
/// Lanes that read their memory from SQL at once.
const LOADING: usize = 4;
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

    let mut background = JoinSet::new();
    engine.lanes.follow(&engine.connections).await;
    let (recreated, was_recreated) = mpsc::channel(1);
    if !engine.replay(recreated, &shutdown, &mut background).await {
        return Ok(());
    }
    ready.ready();
    engine.work(was_recreated, shutdown, background).await
}

/// The parts of a publisher.
struct Engine<K: LaneKind> {
    context: ServiceContext,
    db: Database,
    connections: Connections,
    levels: Levels<K>,
    lanes: Lanes<K>,
    ownership: Ownership,
    shared: Arc<Shared>,
    states: mpsc::Receiver<storelink_model::ConnectionId>,
    writer: tokio::task::JoinHandle<()>,
    abandon: CancellationToken,
}

impl<K: LaneKind> Engine<K> {
    fn new(context: &ServiceContext, db: Database, connections: Connections) -> Self {
        let settings = &context.settings.lanes;
        let abandon = CancellationToken::new();
        let (records, writer) = Records::start(db.clone(), abandon.clone());
        let ownership = Ownership::new(db.clone(), settings.lease);
        let (tell_state, states) = mpsc::channel(STATES_WAITING);
        let shared = Arc::new(Shared {
            records,
            metrics: LaneMetrics::new(K::names().entity),
            lease: ownership.lease(),
            recheck_after: time::Duration::try_from(settings.recheck_after)
                .unwrap_or(time::Duration::HOUR),
            in_flight: Semaphore::new(settings.writes_in_flight),
            loading: Semaphore::new(LOADING),
            states: tell_state,
        });
        let levels = Levels::new();
        let lanes = Lanes::new(levels.clone(), shared.clone());
        let context = context.clone();
        Self {
            context,
            db,
            connections,
            levels,
            lanes,
            ownership,
            shared,
            states,
            writer,
            abandon,
        }
    }

    /// Reads levels, listings and holds and goes on following them. False when asked to end before all of
    /// what was there is read: no lane starts before that.
    async fn replay(
        &self,
        recreated: mpsc::Sender<()>,
        shutdown: &CancellationToken,
        background: &mut JoinSet<()>,
    ) -> bool {
        let bus = &self.context.bus;
        let (levels_read, mut all_levels) = watch::channel(false);
        let (listings_read, mut all_listings) = watch::channel(false);
        background.spawn(follow_values(
            bus.clone(),
            self.levels.clone(),
            levels_read,
            recreated,
            shutdown.clone(),
        ));
        background.spawn(follow_listings(
            bus.clone(),
            self.lanes.clone(),
            listings_read,
            shutdown.clone(),
        ));
        let (holds_read, mut all_holds) = watch::channel(!K::names().holds);
        if K::names().holds {
            background.spawn(follow_holds(
                bus.clone(),
                self.levels.clone(),
                holds_read,
                shutdown.clone(),
            ));
        }
        let all = async {
            all_levels.wait_for(|read| *read).await.ok();
            all_listings.wait_for(|read| *read).await.ok();
            all_holds.wait_for(|read| *read).await.ok();
        };
        tokio::select! {
            () = shutdown.cancelled() => false,
            () = all => true,
        }
    }

    async fn work(
        self,
        recreated: mpsc::Receiver<()>,
        shutdown: CancellationToken,
        mut background: JoinSet<()>,
    ) -> Result<(), PublisherError> {
        let bus = self.context.bus.clone();
        let mirror = Mirror::new(self.db.clone());
        let stream = Arc::new(ValueStream::new(bus.clone(), mirror, self.levels.clone()));
        let questions = Arc::new(Questions::new(self.db.clone(), K::names().entity));
        let parked = self.shared.records.parked();

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
            self.lanes.clone(),
            self.states,
            shutdown.clone(),
        ));
        let reconcile = Arc::new(Notify::new());
        let answers = Answers {
            bus: bus.clone(),
            replica: self.ownership.owner().to_owned(),
            lanes: self.lanes.clone(),
            levels: self.levels,
            questions,
            reconcile: reconcile.clone(),
        };
        answers.serve(&shutdown, &mut background);
        let reconciler = Reconciler {
            lanes: self.lanes.clone(),
            db: self.db.clone(),
            bus: bus.clone(),
            shared: self.shared.clone(),
            asked: reconcile,
        };
        background.spawn(reconciler.run(shutdown.clone()));

        let metrics = self.shared.metrics.clone();
        metrics.observe_lanes(&self.lanes);
        let intake = Intake::new(bus, self.db.clone(), stream, metrics);
        let recheck_after = self.context.settings.lanes.order_recheck_after;
        let orders = Orders::new(
            self.lanes.clone(),
            self.db.clone(),
            time::Duration::try_from(recheck_after).unwrap_or(time::Duration::HOUR),
        );
        let context = self.context.clone();
        background.spawn(async move {
            if let Err(error) = orders.run(&context).await {
                tracing::error!(%error, "orders are no longer followed");
            }
        });
        let doubts = OutsideDoubts::begin(self.lanes.clone(), self.db.clone()).await;
        background.spawn(doubts.follow(shutdown.clone()));
        let mut ownership = self.ownership;
        let supervised = supervise(
            self.lanes,
            self.connections,
            self.db,
            &mut ownership,
            shutdown.clone(),
        );
        let (taken_in, ()) = tokio::join!(end_all_on_error(intake, &shutdown), supervised);

        background.abort_all();
        drop(self.shared);
        // The tasks that were aborted let go of the records, and the writer ends.
        while background.join_next().await.is_some() {}
        if tokio::time::timeout(LAST_RECORDS, self.writer)
            .await
            .is_err()
        {
            tracing::warn!("the last records were not written; the next start looks again");
            self.abandon.cancel();
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
    shutdown: &CancellationToken,
) -> Result<(), WorkLoopError> {
    let ended = intake.run(shutdown.clone()).await;
    if ended.is_err() {
        shutdown.cancel();
    }
    ended
}
