//! Sinks that are linked as real stores, what the ERP says to them, and the floor that serves them in turn
//! with Storelink.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use async_nats::jetstream;
use futures::{StreamExt as _, TryStreamExt as _};
use storelink_simulators::StoreInfo;
use storelink_simulators::woocommerce::StoreSpec;
use storelink_test_support::api::Api;
use storelink_test_support::eventually::eventually_every;
use storelink_test_support::processes::RunningProcess;
use storelink_test_support::world::{LinkPlan, link};

use crate::feed::{AT_ONCE, Feed, Manner, Said};
use crate::floor;
use crate::process::Processes;
use crate::rig::{Rig, TENANT};
use crate::sink::{Sink, Tally};

/// How long a fleet may take to show what was said.
const LIMIT: Duration = Duration::from_secs(300);
/// How long the articles of a store may take to be read while many others are.
const READ_LIMIT: Duration = Duration::from_secs(600);
/// Between two looks at a read: looking costs the system something.
const LOOK: Duration = Duration::from_millis(500);
/// How long receipts and acknowledgements may take to be written after the last value.
const REST: Duration = Duration::from_secs(3);
/// Stores that are linked at the same time: fewer than a tenant may verify.
const LINKED_AT_ONCE: usize = 6;
/// Stores whose articles wait to be read at the same time.
const READ_AT_ONCE: usize = 32;
/// Seconds between two reads of a store: no read falls into a measurement.
const READ_EVERY: u64 = 86_400;
const ENTITIES: [&str; 2] = ["products", "stock"];

/// What a fleet consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FleetPlan {
    /// Its name, which is also its warehouse.
    pub(crate) name: &'static str,
    pub(crate) stores: usize,
    /// Articles in each store, the same in all.
    pub(crate) articles: usize,
}

/// The linked stores.
pub(crate) struct Fleet {
    pub(crate) plan: FleetPlan,
    pub(crate) sinks: Vec<Sink>,
    tally: Arc<Tally>,
    erp: Feed,
    for_floor: Feed,
    floor: Option<RunningProcess>,
}

/// Who brings the values to the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Storelink,
    Floor,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) said: Said,
    /// From the first word to the last value.
    pub(crate) took_us: u64,
    /// Used from the first word until the processes were at rest again.
    pub(crate) processor: Duration,
    pub(crate) rows: u64,
    pub(crate) requests: u64,
}

impl Run {
    pub(crate) fn rows_per_second(&self) -> u64 {
        self.rows * 1_000_000 / self.took_us.max(1)
    }

    /// Microseconds of processor time for 10,000 rows.
    pub(crate) fn processor_us_per_10k(&self) -> anyhow::Result<u64> {
        let used = u64::try_from(self.processor.as_micros())?;
        Ok(used * 10_000 / self.rows.max(1))
    }

    /// Hundredths of an item.
    pub(crate) fn items_per_request(&self) -> u64 {
        self.rows * 100 / self.requests.max(1)
    }
}

impl Fleet {
    /// Opens the stores, links them through the API, reads their articles and writes each once.
    pub(crate) async fn open(rig: &Rig, plan: FleetPlan) -> anyhow::Result<Self> {
        let tally = Arc::new(Tally::default());
        let mut sinks = Vec::with_capacity(plan.stores);
        for _ in 0..plan.stores {
            sinks.push(Sink::open(plan.articles, Arc::clone(&tally)).await?);
        }
        let jetstream = jetstream::new(async_nats::connect(rig.system.broker_url()).await?);
        floor::create_stream(&jetstream).await?;
        let job = floor::Job {
            broker: rig.system.broker_url().to_owned(),
            fleet: plan.name.to_owned(),
            stores: Vec::new(),
        };
        let subject = format!("erp.{TENANT}.stock.changed");
        let feed = |subject| {
            let jetstream = jetstream.clone();
            Feed::new(jetstream, subject, TENANT, plan.name, plan.articles)
        };
        let mut fleet = Self {
            plan,
            sinks,
            tally,
            erp: feed(subject)?,
            for_floor: feed(job.subject())?,
            floor: None,
        };
        let linking = (1..).zip(&fleet.sinks).map(|(number, sink)| async move {
            let name = format!("{}-{number}", plan.name);
            link_sink(rig, &name, plan.name, sink).await
        });
        let linking = futures::stream::iter(linking).buffer_unordered(LINKED_AT_ONCE);
        let connections: Vec<String> = linking.try_collect().await?;
        let reading = connections
            .iter()
            .map(|connection| read_products(&rig.api, connection));
        let reading = futures::stream::iter(reading).buffer_unordered(READ_AT_ONCE);
        reading.try_collect::<()>().await?;
        fleet
            .run(By::Storelink, &rig.processes(), fleet.articles()?, AT_ONCE)
            .await?;
        Ok(fleet)
    }

    /// Starts the floor of these stores.
    pub(crate) async fn start_floor(&mut self, rig: &Rig) -> anyhow::Result<()> {
        let job = floor::Job {
            broker: rig.system.broker_url().to_owned(),
            fleet: self.plan.name.to_owned(),
            stores: self.sinks.iter().map(Sink::url).collect(),
        };
        self.floor = Some(job.start(rig.system.folder()).await?);
        Ok(())
    }

    pub(crate) fn articles(&self) -> anyhow::Result<u32> {
        Ok(self.plan.articles.try_into()?)
    }

    /// The process of the floor.
    pub(crate) fn floor(&self) -> Processes {
        Processes::of(self.floor.as_ref().map(RunningProcess::id))
    }

    /// Says so many values and waits until every store shows the last ones; `processes` are those who
    /// bring them.
    pub(crate) async fn run(
        &mut self,
        by: By,
        processes: &Processes,
        number: u32,
        manner: Manner,
    ) -> anyhow::Result<Run> {
        let used = processes.processor_time()?;
        let said = self.say(by, number, manner).await?;
        let last_us = self.shown(number).await?;
        processes.rest(REST).await?;
        let processor = processes.processor_time()?.saturating_sub(used);
        let [requests, rows] = self.counts()?;
        Ok(Run {
            took_us: last_us.saturating_sub(said.began_us()),
            said,
            processor,
            rows,
            requests,
        })
    }

    /// Says so many values; what was written before is forgotten.
    pub(crate) async fn say(
        &mut self,
        by: By,
        number: u32,
        manner: Manner,
    ) -> anyhow::Result<Said> {
        for sink in &self.sinks {
            sink.book().clear();
        }
        let feed = match by {
            By::Storelink => {
                self.erp.go_on_after(&self.for_floor);
                &mut self.erp
            }
            By::Floor => {
                self.for_floor.go_on_after(&self.erp);
                &mut self.for_floor
            }
        };
        self.tally.expect(feed.last_values(number));
        feed.say(number, manner).await
    }

    /// Waits until every store shows the last of so many values; answers when the last did.
    pub(crate) async fn shown(&self, number: u32) -> anyhow::Result<u64> {
        self.shown_in(self.sinks.len(), number).await
    }

    /// Waits until so many stores do, when the others cannot.
    pub(crate) async fn shown_in(&self, stores: usize, number: u32) -> anyhow::Result<u64> {
        let each = u64::from(number.min(self.articles()?));
        self.tally.reached(each * stores as u64, LIMIT).await
    }

    /// Waits for the first value of any store; answers when it came.
    pub(crate) async fn first_shown(&self) -> anyhow::Result<u64> {
        self.tally.reached(1, LIMIT).await
    }

    /// The ages of all values in the first so many stores.
    pub(crate) fn ages(&self, said: &Said, stores: usize) -> anyhow::Result<Vec<u64>> {
        let mut ages = Vec::new();
        for sink in self.sinks.iter().take(stores) {
            said.ages(&sink.book().writes, &mut ages)?;
        }
        Ok(ages)
    }

    /// Every batch takes so much longer, in every store.
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.sinks.iter().for_each(|sink| sink.set_delay(delay));
    }

    /// Requests and rows since something was said last.
    fn counts(&self) -> anyhow::Result<[u64; 2]> {
        let mut counts = [0, 0];
        for sink in &self.sinks {
            let book = sink.book();
            ensure!(
                book.strange == 0,
                "{} rows of articles that are not there",
                book.strange
            );
            ensure!(
                book.went_back == 0,
                "{} articles went back to an older value",
                book.went_back
            );
            let [requests, rows] = &mut counts;
            *requests += book.requests;
            *rows += book.writes.len() as u64;
        }
        Ok(counts)
    }
}

/// Links a sink, with a simulated store behind it that answers what it does not know; answers the
/// connection's id.
async fn link_sink(rig: &Rig, name: &str, warehouse: &str, sink: &Sink) -> anyhow::Result<String> {
    let spec = StoreSpec {
        // Signatures are made for the address that is called.
        home: Some(sink.url()),
        ledger_bodies: false,
        ..StoreSpec::seeded(name, 7, 1, 0)
    };
    let behind = rig.simulators.add_store(spec.clone()).await?;
    sink.put_before(behind.address());
    let opened = StoreInfo {
        name: name.to_owned(),
        url: sink.url(),
        address: sink.address(),
        write_requests: 0,
        under_way: Vec::new(),
    };
    let mut plan = LinkPlan::of(&spec, &opened);
    plan.warehouses = vec![warehouse.to_owned()];
    plan.schedules = ENTITIES
        .map(|entity| (entity.to_owned(), READ_EVERY))
        .into();
    let linked = link(&rig.api, plan).await?;
    Ok(linked.connection)
}

/// Lets the articles be read and waits until that has ended well.
async fn read_products(api: &Api, connection: &str) -> anyhow::Result<()> {
    let run = eventually_every(LOOK, "a read is taken", READ_LIMIT, async || {
        api.run_now(connection, "products").await
    })
    .await?;
    let ended = eventually_every(LOOK, "the articles are read", READ_LIMIT, async || {
        let state = api.run(connection, &run).await?;
        ensure!(state.has_ended(), "it is {}", state.state);
        Ok(state)
    })
    .await?;
    ensure!(ended.error_code.is_none(), "the read failed: {ended:?}");
    Ok(())
}
