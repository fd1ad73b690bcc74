//! The processes: pollers and ingests as they run in production, on ports of the world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, select};
use futures::stream::{FuturesOrdered, StreamExt};
use storelink_adapter_api::{Credentials, OpenGate};
use storelink_bus::{Outcome, Publication, PublishError, Published, WorkItem};
use storelink_events::connection::{ConnectionRecord, ConnectionSettings};
use storelink_events::internal::{PollJob, RunReport};
use storelink_model::{ConnectionId, Timestamp};
use storelink_order_ingest::IngestError;
use storelink_order_ingest::simulation::{Broker, SimulatedIngest, Store as HubStore};
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_poller::PollerError;
use storelink_poller::simulation::{
    Links, ReadStreams, RunReports, SimulatedPoller, StreamIdentity, Surroundings, Window,
};
use storelink_service::LinkedConnection;
use storelink_service::simulation::linked;
use storelink_settings::{Loader, OrderSettings};
use storelink_vault::{CreateMissing, Vault};

use super::ledger_tables::LedgerTables;
use super::poller_tables::PollerTables;
use super::store::{Adapter, Store};
use super::streams::{ACK_WAIT, Answer, Delivery, Name, Streams};
use crate::kernel::{ProcessId, Sim};

pub(super) const PLATFORM: &str = "simulated";
pub(super) const TENANT: &str = "acme";
/// Jobs in work at the same time in one process.
const JOBS_IN_WORK: usize = 8;
/// Messages of one batch.
const BATCH: usize = 8;

/// The connections that a poller knows.
pub(super) type Linked = BTreeMap<ConnectionId, Arc<LinkedConnection>>;

/// What is shared by the processes of a world.
#[derive(Clone)]
pub(super) struct Surrounding {
    pub(super) sim: Sim,
    pub(super) streams: Streams,
    pub(super) poller_tables: PollerTables,
    pub(super) ledger_tables: LedgerTables,
    pub(super) links: Arc<Linked>,
    pub(super) settings: OrderSettings,
    pub(super) noted: Arc<Mutex<Noted>>,
}

/// What is seen while the world runs.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// Runs that were reported.
    reported: BTreeSet<String>,
    pub(super) violations: Vec<String>,
}

impl Surrounding {
    pub(super) fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poller from its start to its end.
    pub(super) async fn poll(self, process: ProcessId) {
        let Ok(platform) = PLATFORM.parse() else {
            return;
        };
        let around = Surroundings {
            cursors: Arc::new(self.poller_tables.clone()),
            handovers: Arc::new(self.poller_tables.clone()),
            streams: Arc::new(self.clone()),
            links: Arc::new(self.clone()),
            reports: Arc::new(self.clone()),
        };
        let poller = SimulatedPoller::new(around, platform, self.settings.clone());
        let poller = Arc::new(poller);
        let (own, hinted) = (self.clone(), poller.clone());
        self.sim
            .spawn(process, async move { own.take_hints(&hinted).await });
        let places = Arc::new(tokio::sync::Semaphore::new(JOBS_IN_WORK));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let Some(job) = self.streams.fetch(Name::Jobs, 1).await.pop() else {
                continue;
            };
            let (own, poller) = (self.clone(), poller.clone());
            self.sim.spawn(process, async move {
                own.work(&poller, &job).await;
                drop(place);
            });
        }
    }

    async fn take_hints(&self, poller: &SimulatedPoller) {
        loop {
            let batch = self.streams.fetch(Name::Hooks, BATCH).await;
            let items: Vec<WorkItem> = batch.iter().map(item).collect();
            let taken = Box::pin(poller.take_hints(&items));
            let outcomes = self.until_done(&batch, &items, taken).await;
            for (delivery, outcome) in batch.iter().zip(outcomes) {
                self.settle(delivery, outcome).await;
            }
        }
    }

    /// One job, as the bus's work loop does it.
    async fn work(&self, poller: &SimulatedPoller, job: &Delivery) {
        let item = item(job);
        let work = Box::pin(poller.work(item.clone()));
        let jobs = std::slice::from_ref(job);
        let outcome = self.until_done(jobs, &[item], work).await;
        if outcome == Outcome::Done {
            self.check_let_go(job);
        }
        self.settle(job, outcome).await;
    }

    /// Tells the broker every third of its wait that the work goes on.
    async fn until_done<T>(
        &self,
        jobs: &[Delivery],
        items: &[WorkItem],
        mut work: impl Future<Output = T> + Unpin,
    ) -> T {
        loop {
            let third = Box::pin(self.sim.sleep(ACK_WAIT / 3));
            match select(work, third).await {
                Either::Left((done, _)) => return done,
                Either::Right(((), left)) => work = left,
            }
            for (job, item) in jobs.iter().zip(items) {
                item.prolong();
                self.streams.answer(job, Answer::Working).await;
            }
        }
    }

    async fn settle(&self, delivery: &Delivery, outcome: Outcome) {
        let pause = |after: Option<Duration>| after.unwrap_or_else(|| self.backoff(delivery));
        let answer = match outcome {
            Outcome::Done => Answer::Done,
            Outcome::Again => Answer::Again(Duration::ZERO),
            Outcome::Retry { after, .. } => Answer::Again(pause(after)),
            Outcome::Park(reason) => {
                let parked = format!("{} was put aside: {reason:?}", delivery.subject);
                self.noted().violations.push(parked);
                Answer::Done
            }
        };
        self.sim
            .tell(|| format!("{} #{}: {answer:?}", delivery.subject, delivery.delivered));
        self.streams.answer(delivery, answer).await;
    }

    fn backoff(&self, delivery: &Delivery) -> Duration {
        let doublings = u32::try_from(delivery.delivered.clamp(1, 9) - 1).unwrap_or_default();
        let full = Duration::from_secs((1 << doublings).min(300));
        self.sim
            .chance(|random| random.duration(full * 3 / 4, full))
    }

    /// A job that is let go was done, or it was told why not.
    fn check_let_go(&self, job: &Delivery) {
        let Ok(job) = serde_json::from_slice::<PollJob>(&job.payload) else {
            return;
        };
        let mut noted = self.noted();
        if !noted.reported.contains(&job.run) {
            let text = format!("run {} was let go and is not reported", job.run);
            noted.violations.push(text);
        }
    }

    /// A replica of the ledger's service from its start to its end.
    pub(super) async fn ingest(self, process: ProcessId) {
        let tables = Arc::new(self.ledger_tables.clone());
        let service = SimulatedIngest::new(tables.clone(), tables, Arc::new(self.clone()));
        let service = Arc::new(service);
        let relay = service.clone();
        self.sim.spawn(process, async move { relay.relay().await });
        loop {
            let batch = self.streams.fetch(Name::Orders, BATCH).await;
            let items: Vec<WorkItem> = batch.iter().map(item).collect();
            let taken = Box::pin(service.take(&items));
            let outcomes = self.until_done(&batch, &items, taken).await;
            for (delivery, outcome) in batch.iter().zip(outcomes) {
                self.settle(delivery, outcome).await;
            }
        }
    }
}

fn item(delivery: &Delivery) -> WorkItem {
    WorkItem::simulated(
        delivery.subject.clone(),
        delivery.payload.clone(),
        delivery.sequence,
        delivery.delivered,
        Timestamp::from_micros(delivery.published).datetime(),
    )
}

impl Links for Surrounding {
    fn get(&self, id: &ConnectionId) -> Option<Arc<LinkedConnection>> {
        self.links.get(id).cloned()
    }
}

impl RunReports for Surrounding {
    fn send(&self, report: RunReport) {
        self.sim.tell(|| format!("reported {report:?}"));
        self.noted().reported.insert(report.run);
    }
}

#[async_trait]
impl ReadStreams for Surrounding {
    async fn identity(&self, _: &str) -> Result<StreamIdentity, PollerError> {
        let identity = self.streams.identity(Name::Orders).await;
        let (created_micros, last_sequence) =
            identity.map_err(|_| PollerError::Stream("no answer".to_owned()))?;
        Ok(StreamIdentity {
            created_micros,
            last_sequence,
        })
    }

    fn window(&self, _: usize) -> Box<dyn Window> {
        Box::new(SimulatedWindow {
            streams: self.streams.clone(),
            pushed: Vec::new(),
        })
    }

    fn max_payload(&self) -> usize {
        1_000_000
    }
}

/// Messages that leave together.
struct SimulatedWindow {
    streams: Streams,
    pushed: Vec<Publication>,
}

#[async_trait]
impl Window for SimulatedWindow {
    async fn push(&mut self, publication: Publication) {
        self.pushed.push(publication);
    }

    async fn settle(&mut self) -> Vec<Result<Published, PublishError>> {
        let pushed = std::mem::take(&mut self.pushed);
        let sent: FuturesOrdered<_> = pushed.iter().map(|one| self.streams.publish(one)).collect();
        sent.collect().await
    }
}

#[async_trait]
impl Broker for Surrounding {
    fn is_connected(&self) -> bool {
        true
    }

    async fn publish(&self, publication: Publication) -> Result<Published, PublishError> {
        self.streams.publish(&publication).await
    }

    async fn find_store(&self) -> Result<HubStore, IngestError> {
        let identity = self.streams.identity(Name::Hub).await;
        let (created_micros, last_sequence) =
            identity.map_err(|_| IngestError::Stream("no answer".to_owned()))?;
        Ok(HubStore::Stream {
            created_micros,
            last_sequence,
        })
    }
}

/// What every world uses and none changes.
struct Fixed {
    vault: Arc<Vault>,
    http: HttpClient,
    settings: OrderSettings,
    _keys: tempfile::TempDir,
}

#[allow(clippy::expect_used)]
static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    let keys = tempfile::tempdir().expect("a folder for a key");
    let vault = Vault::open(&keys.path().join("keys"), CreateMissing::Yes).expect("a key");
    let settings = Loader::new().load().expect("defaults are settings");
    Fixed {
        vault: Arc::new(vault),
        http: HttpClient::new(OutboundPolicy::loopback()).expect("a client"),
        settings: settings.orders,
        _keys: keys,
    }
});

/// The default settings of orders.
pub(super) fn settings() -> OrderSettings {
    FIXED.settings.clone()
}

/// The connection to a store.
pub(super) fn link(store: &Store, verified_difference: i64) -> Option<Arc<LinkedConnection>> {
    let plain = Credentials::default().to_sealable();
    let plain = secrecy::ExposeSecret::expose_secret(&plain).as_bytes();
    let sealed = FIXED.vault.seal(plain, store.connection.as_str()).ok()?;
    let mut record = ConnectionRecord {
        id: store.connection.clone(),
        tenant: TENANT.parse().ok()?,
        platform: PLATFORM.parse().ok()?,
        name: "Store".to_owned(),
        revision: 1,
        paused: false,
        address: "https://shop.example".to_owned(),
        sealed_credentials: sealed.to_string(),
        credentials_revision: 1,
        profile: storelink_adapter_api::CapabilityProfile::default(),
        settings: ConnectionSettings::starting(store.start),
        active_entities: vec!["orders".to_owned()],
    };
    record.profile.clock_difference_seconds = Some(verified_difference);
    let adapter = Arc::new(Adapter(store.clone()));
    let (vault, http) = (FIXED.vault.clone(), FIXED.http.clone());
    let link = linked(record, adapter, Arc::new(OpenGate), vault, http);
    Some(Arc::new(link))
}
