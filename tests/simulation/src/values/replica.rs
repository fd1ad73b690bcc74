//! Processes: publishers that start, are killed, and come back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use storelink_bus::{PublishError, WorkItem};
use storelink_events::Violation;
use storelink_lanes::ports::Rejections;
use storelink_lanes::simulation::{Ports, Publisher, Settings};
use storelink_model::TenantId;
use storelink_settings::{LaneSettings, Loader};
use tokio_util::sync::CancellationToken;

use super::World;
use super::database::Database;
use super::erp::TENANT;
use super::eye::Eye;
use super::links::ProcessLinks;
use super::plan::{LEASE, ORDER_RECHECK, RECHECK};
use super::queue;
use super::stream::{Feed, Reach, Which};
use crate::kernel::{Lost, ProcessId};

/// Events taken at once.
const EVENTS: usize = 40;

/// A process that runs now.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(super) process: ProcessId,
    pub(super) shutdown: CancellationToken,
    pub(super) frozen: bool,
}

#[allow(clippy::expect_used)]
fn lane_settings() -> LaneSettings {
    static SETTINGS: OnceLock<LaneSettings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| {
        let mut settings = Loader::new().load().expect("settings").lanes;
        settings.lease = LEASE;
        settings.recheck_after = RECHECK;
        settings.order_recheck_after = ORDER_RECHECK;
        settings.writes_in_flight = 3;
        settings
    });
    settings.clone()
}

impl World {
    /// Starts a process.
    pub(super) fn start_replica(self: &Arc<Self>) {
        let process = {
            let mut next = self
                .next_process
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            *next += 1;
            ProcessId(*next)
        };
        let error = self.sim.chance(|random| self.plan.clock_error(random));
        self.sim.set_clock_error(process, error);
        let shutdown = CancellationToken::new();
        self.sim.tell(|| format!("{process:?} starts"));
        self.sim
            .spawn(process, run(self.clone(), process, shutdown.clone()));
        self.replicas().push(Replica {
            process,
            shutdown,
            frozen: false,
        });
    }

    /// Ends a process where it stands, and starts another one after a while.
    pub(super) fn kill_replica(self: &Arc<Self>, process: ProcessId, again_after: Duration) {
        let known = self.replicas().len();
        self.replicas().retain(|one| one.process != process);
        if self.replicas().len() == known {
            return;
        }
        self.sim.tell(|| format!("{process:?} is killed"));
        let publisher = self.publishers().remove(&process);
        self.links().remove(&process);
        self.sim.kill(process);
        drop(publisher);
        let world = self.clone();
        self.sim.after(again_after, move |_| world.start_replica());
    }

    /// Asks a process to end; it gets some time for it.
    pub(super) fn stop_replica(self: &Arc<Self>, replica: &Replica) {
        self.sim
            .tell(|| format!("{:?} is asked to end", replica.process));
        replica.shutdown.cancel();
        let (world, process) = (self.clone(), replica.process);
        self.sim.after(Duration::from_secs(23), move |_| {
            world.kill_replica(process, Duration::from_millis(100));
        });
    }
}

async fn run(world: Arc<World>, process: ProcessId, shutdown: CancellationToken) {
    let database = Arc::new(Database {
        world: world.clone(),
        process,
    });
    let reach = |which| Reach {
        world: world.clone(),
        which,
    };
    let ports = Ports {
        records: database.clone(),
        owners: database.clone(),
        mirror: database.clone(),
        sources: database,
        log: Arc::new(reach(Which::Values)),
        values: Box::new(Feed::of(reach(Which::Values))),
        listings: Box::new(Feed::of(reach(Which::Listings))),
        links: ProcessLinks::start(&world, process),
        rejections: Arc::new(Told(world.clone())),
    };
    let settings = Settings {
        lanes: lane_settings(),
        attempts_between_snapshots: world.plan.snapshot_after,
    };
    let started = Publisher::start(&settings, ports, shutdown.clone()).await;
    let (Some(publisher), Ok(tenant)) = (started, TENANT.parse::<TenantId>()) else {
        return;
    };
    let publisher = Arc::new(publisher);
    let levels = publisher.tenant_levels(&tenant);
    let eye = Eye {
        world: world.clone(),
        process,
        levels: Arc::downgrade(&levels),
    };
    eye.open(&levels);
    drop(levels);
    world.publishers().insert(process, publisher.clone());
    let events = queue::work(
        world.clone(),
        |world| &world.events,
        EVENTS,
        |items| publisher.take_events(items),
    );
    let publisher = &publisher;
    let orders = queue::work(
        world.clone(),
        |world| &world.orders,
        EVENTS,
        |items| async move { publisher.take_orders(&items).await },
    );
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        () = events => {}
        () = orders => {}
    }
    // The lanes of a process that was asked to end go on until it is killed.
    std::future::pending::<()>().await;
}

/// Tells publishers of events.
struct Told(Arc<World>);

#[async_trait]
impl Rejections for Told {
    async fn tell(
        &self,
        _: &WorkItem,
        _: Option<String>,
        _: bool,
        _: &[Violation],
    ) -> Result<(), PublishError> {
        let told = self.0.sim.call(self.0.weather().broker(), |_| {});
        told.await.map_err(|Lost| PublishError::Unavailable {
            subject: "hub".to_owned(),
            waited: Duration::ZERO,
            reason: "no answer".to_owned(),
        })
    }
}
