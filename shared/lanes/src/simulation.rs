//! A publisher of stock on the ports of a simulated world.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use storelink_bus::{Outcome, WorkItem};
use storelink_events::rpc::Stopped;
use storelink_model::{ConnectionId, Quantity, Sku, TenantId, Timestamp, WarehouseCode};
use storelink_runtime::TaskSet;
use storelink_service::AnyTenant;
use storelink_settings::LaneSettings;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::intake::{Intake, Mirror, ValueStream};
use crate::kind::{LaneKind, Level, Stock};
pub use crate::lane::{LaneCounts, SkuView};
use crate::levels::{Cell, Levels, TenantLevels, publish_missing};
use crate::metrics::LaneMetrics;
use crate::orders::Orders;
use crate::parts::{Feeds, Parts};
use crate::ports::{
    Approval, LaneRecords, Links, MirrorRows, OwnerRows, Rejections, SourceRows, ValueFeed,
    ValueLog,
};
use crate::runner::{Lanes, OutsideDoubts, closed_reason, supervise};

/// Everything around a publisher.
pub struct Ports {
    /// Attempts, snapshots, doubts, parked articles.
    pub records: Arc<dyn LaneRecords>,
    /// Who owns which lane.
    pub owners: Arc<dyn OwnerRows>,
    /// The last values in SQL.
    pub mirror: Arc<dyn MirrorRows<Stock>>,
    /// The orders of the sources.
    pub sources: Arc<dyn SourceRows>,
    /// The last-value stream, to write.
    pub log: Arc<dyn ValueLog>,
    /// The last-value stream, to read.
    pub values: Box<dyn ValueFeed>,
    /// The listings.
    pub listings: Box<dyn ValueFeed>,
    /// The connections.
    pub links: Arc<dyn Links>,
    /// Who is told of refused events.
    pub rejections: Arc<dyn Rejections>,
}

/// Settings of a publisher.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Lease, rechecks, requests in flight.
    pub lanes: LaneSettings,
    /// A snapshot is taken after so many attempts.
    pub attempts_between_snapshots: i64,
}

/// A publisher that runs in the current process of the simulation.
pub struct Publisher {
    intake: Intake<Stock>,
    orders: Orders<Stock>,
    levels: Levels<Stock>,
    lanes: Lanes<Stock>,
    _background: TaskSet,
}

/// Lanes and levels know each other: they would outlive the process.
impl Drop for Publisher {
    fn drop(&mut self) {
        for handle in self.lanes.all() {
            handle.end();
        }
    }
}

/// A lane from outside.
#[derive(Debug)]
pub struct LaneLook {
    /// The epoch in which this process owns it.
    pub epoch: Option<i64>,
    /// Numbers.
    pub counts: LaneCounts,
    /// Why it sends nothing.
    pub closed: Option<Stopped>,
}

impl Publisher {
    /// Starts as a publisher does: what is there is read first, then the lanes run. None when it is
    /// asked to end before.
    pub async fn start(
        settings: &Settings,
        ports: Ports,
        shutdown: CancellationToken,
    ) -> Option<Self> {
        static METRICS: OnceLock<LaneMetrics> = OnceLock::new();
        let metrics = METRICS.get_or_init(|| LaneMetrics::new(Stock::names().entity));
        let parts = Parts::<Stock>::new(
            &settings.lanes,
            metrics.clone(),
            ports.records.clone(),
            ports.owners,
            settings.attempts_between_snapshots,
        );
        let mut background = TaskSet::default();
        parts.lanes.follow(ports.links.as_ref()).await;
        let (recreated, was_recreated) = mpsc::channel(1);
        let feeds = Feeds {
            values: ports.values,
            recreated,
            listings: ports.listings,
            all_holds: watch::channel(true).1,
        };
        if !parts.replay(feeds, &shutdown, &mut background).await {
            return None;
        }
        let (levels, lanes) = (parts.levels, parts.lanes);
        let mirror = Mirror::new(ports.mirror);
        let stream = Arc::new(ValueStream::new(ports.log, mirror, levels.clone()));
        background.spawn(publish_missing(
            stream.clone(),
            was_recreated,
            shutdown.clone(),
        ));
        let doubts = OutsideDoubts::begin(lanes.clone(), ports.records.clone()).await;
        background.spawn(doubts.follow(shutdown.clone()));
        let (supervised, mut ownership) = (lanes.clone(), parts.ownership);
        background.spawn(async move {
            supervise(supervised, ports.links.as_ref(), &mut ownership, shutdown).await;
            ownership.release().await.ok();
        });
        let recheck = time_of(settings.lanes.order_recheck_after);
        Some(Self {
            intake: Intake::new(
                ports.rejections,
                ports.sources,
                stream,
                Arc::new(AnyTenant),
                metrics.clone(),
            ),
            orders: Orders::new(lanes.clone(), ports.records, recheck),
            levels,
            lanes,
            _background: background,
        })
    }

    /// Takes events of the ERP.
    pub async fn take_events(&self, items: Vec<WorkItem>) -> Vec<Outcome> {
        self.intake.take(items).await
    }

    /// Takes orders of stores.
    pub async fn take_orders(&self, items: &[WorkItem]) -> Vec<Outcome> {
        self.orders.take(items).await
    }

    /// A lane.
    #[must_use]
    pub fn lane(&self, connection: &ConnectionId) -> Option<LaneLook> {
        let handle = self.lanes.get(connection)?;
        let state = handle.state();
        Some(LaneLook {
            epoch: state.owned.as_ref().map(|name| name.epoch),
            counts: state.lane.counts(),
            closed: closed_reason(&state, Timestamp::now()),
        })
    }

    /// What a lane knows of an article.
    #[must_use]
    pub fn view(&self, connection: &ConnectionId, sku: &Sku) -> Option<SkuView<u32>> {
        let handle = self.lanes.get(connection)?;
        let id = handle.levels.known_sku(sku)?;
        handle.state().lane.view(id)
    }

    /// What a lane that runs here keeps back until a person approves it.
    #[must_use]
    pub fn to_approve(&self, connection: &ConnectionId) -> Option<Approval<u32>> {
        let handle = self.lanes.get(connection)?;
        let found = handle.to_approve(&handle.state())?;
        (!found.changes.is_empty()).then(|| Approval {
            address: found.address,
            changes: found.changes,
            at: Timestamp::now(),
        })
    }

    /// A person approved changes, and that stands in the records already.
    pub fn approve(&self, connection: &ConnectionId, approval: Approval<u32>) {
        if let Some(handle) = self.lanes.get(connection) {
            handle.approve(approval);
        }
    }

    /// The level table of a tenant.
    #[must_use]
    pub fn tenant_levels(&self, tenant: &TenantId) -> Arc<TenantLevels<Stock>> {
        self.levels.tenant(tenant)
    }

    /// What the level table says of an article.
    #[must_use]
    pub fn levels(&self, tenant: &TenantId, sku: &Sku) -> Vec<(WarehouseCode, Level<Quantity>)> {
        let cells = self.levels.of_sku(tenant, sku).into_iter();
        cells
            .map(|(source, cell): (_, Cell<Quantity>)| (source, cell.level))
            .collect()
    }
}

fn time_of(duration: Duration) -> time::Duration {
    time::Duration::try_from(duration).unwrap_or(time::Duration::HOUR)
}
