//! Reconciliation: what a store shows is compared with what it should show.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use storelink_adapter_api::{AdapterError, ErrorClass};
use storelink_bus::rpc::{Call, Endpoint, Fault};
use storelink_events::connection::ConnectionRecord;
use storelink_events::internal::RunReport;
use storelink_events::rpc::{
    self, Difference, Drift, DriftQuestion, DriftReport, DriftReports, Reconcile, ReconcileAnswer,
};
use storelink_events::subject;
use storelink_lanes::kind::{LaneKind, Price, Stock};
use storelink_model::ConnectionId;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::world::{PATIENCE, Publisher, World};

impl World {
    /// Asks for a reconciliation; whether it will be made.
    pub(crate) async fn ask_to_reconcile<K: LaneKind>(
        &self,
        connection: &ConnectionId,
        run: &str,
    ) -> anyhow::Result<bool> {
        let question = Reconcile {
            tenant: "acme".parse()?,
            connection: connection.clone(),
            run: run.to_owned(),
        };
        let answer: ReconcileAnswer = self.ask::<K, _, _>(rpc::RECONCILE, &question).await?;
        Ok(answer.accepted)
    }

    async fn reports<K: LaneKind>(
        &self,
        connection: &ConnectionId,
    ) -> anyhow::Result<Vec<DriftReport>> {
        let question = DriftQuestion {
            tenant: "acme".parse()?,
            connection: connection.clone(),
            limit: 10,
        };
        let reports: DriftReports = self.ask::<K, _, _>(rpc::DRIFT, &question).await?;
        Ok(reports.items)
    }

    pub(crate) async fn ended<K: LaneKind>(
        &self,
        connection: &ConnectionId,
        run: &str,
    ) -> anyhow::Result<Drift> {
        eventually("the reconciliation is over", PATIENCE, async || {
            let reports = self.reports::<K>(connection).await?;
            let report = reports.into_iter().find(|report| report.run == run);
            let report = report.context("it is not known")?;
            ensure!(report.finished.is_some(), "it goes on");
            Ok(report.drift)
        })
        .await
    }

    /// Reconciles a store to the end.
    pub(crate) async fn reconcile<K: LaneKind>(
        &self,
        connection: &ConnectionId,
        run: &str,
    ) -> anyhow::Result<Drift> {
        ensure!(self.ask_to_reconcile::<K>(connection, run).await?);
        self.ended::<K>(connection, run).await
    }

    pub(crate) fn edit(&self, connection: &ConnectionId, sku: &str, value: &str) {
        let (id, value) = (format!("id-{sku}"), value.to_owned());
        self.platform.shop(connection, |shop| {
            shop.shown.insert(id, value);
        });
    }

    pub(crate) fn pages(&self, connection: &ConnectionId) -> usize {
        self.platform.shop(connection, |shop| shop.pages)
    }

    /// The items of every write from this one on.
    pub(crate) fn written(&self, connection: &ConnectionId, from: usize) -> Vec<(String, String)> {
        self.platform.shop(connection, |shop| {
            shop.requests.iter().skip(from).flatten().cloned().collect()
        })
    }

    /// A registry that takes note of how runs end.
    fn registry(&self) -> Arc<Mutex<Vec<RunReport>>> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let service = "connection-registry";
        let endpoint: Endpoint<RunReport> =
            Endpoint::new(&self.bus, subject::rpc(service, rpc::RUN), service);
        let kept = told.clone();
        let answer = move |call: Call<RunReport>| {
            let kept = kept.clone();
            async move {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(call.request);
                Ok::<_, Fault>(())
            }
        };
        tokio::spawn(endpoint.serve(answer, CancellationToken::new()));
        told
    }
}

fn codes(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("S{number:04}")).collect()
}

/// A store that shows so many articles, all right.
pub(crate) async fn synchronised(
    world: &World,
    count: usize,
) -> anyhow::Result<(ConnectionRecord, Publisher, Vec<String>)> {
    let store = world.link().await?;
    let codes = codes(count);
    let skus: Vec<&str> = codes.iter().map(String::as_str).collect();
    world.list(&store.id, &skus).await?;
    let publisher = world.start::<Stock>().await?;
    let levels: Vec<_> = skus.iter().map(|sku| (*sku, "5", 1)).collect();
    world.levels(&levels).await?;
    let right: Vec<_> = skus.iter().map(|sku| (*sku, "5")).collect();
    world.shows(&store.id, &right).await?;
    world.quiet::<Stock>(&store.id).await?;
    Ok((store, publisher, codes))
}

async fn a_value_changed_by_hand_is_put_right(world: World) -> anyhow::Result<()> {
    let told = world.registry();
    let (store, publisher, skus) = synchronised(&world, 250).await?;
    let before = world.requests(&store.id);
    world.edit(&store.id, &skus[7], "40");
    world.edit(&store.id, &skus[249], "0");
    let found = world.reconcile::<Stock>(&store.id, "run_1").await?;
    let difference = |sku: &str, shown: &str| {
        Ok::<_, anyhow::Error>(Difference {
            sku: sku.parse()?,
            shown: shown.to_owned(),
            wanted: "5".to_owned(),
        })
    };
    let expected = Drift {
        pages: 3,
        compared: 250,
        differing: 2,
        corrected: 2,
        sample: vec![difference(&skus[7], "40")?, difference(&skus[249], "0")?],
        ..Drift::default()
    };
    ensure!(found == expected, "{found:?}");
    ensure!(world.pages(&store.id) == 3);
    let right: Vec<_> = skus.iter().map(|sku| (sku.as_str(), "5")).collect();
    world.shows(&store.id, &right).await?;
    world.quiet::<Stock>(&store.id).await?;
    let written = world.written(&store.id, before);
    ensure!(written.len() == 2, "{written:?}");

    let found = world.reconcile::<Stock>(&store.id, "run_2").await?;
    ensure!((found.compared, found.differing) == (250, 0), "{found:?}");
    ensure!(world.written(&store.id, before).len() == 2);
    eventually("the registry knows of both", PATIENCE, async || {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ends: Vec<_> = told
            .iter()
            .map(|end| (end.run.as_str(), end.entity.as_str(), end.read, end.changed))
            .collect();
        ensure!(
            ends == [("run_1", "stock", 250, 2), ("run_2", "stock", 250, 0)],
            "{ends:?}"
        );
        Ok(())
    })
    .await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_value_changed_by_hand_is_put_right_on_sqlite() -> anyhow::Result<()> {
    a_value_changed_by_hand_is_put_right(World::sqlite().await?).await
}

#[tokio::test]
async fn a_value_changed_by_hand_is_put_right_on_postgres() -> anyhow::Result<()> {
    a_value_changed_by_hand_is_put_right(World::on(TestDatabase::postgres().await?).await?).await
}

#[tokio::test]
async fn a_page_that_fails_ends_the_run_with_its_code_and_marks_nothing_else() -> anyhow::Result<()>
{
    let world = World::sqlite().await?;
    let told = world.registry();
    let (store, publisher, skus) = synchronised(&world, 250).await?;
    let before = world.requests(&store.id);
    world.edit(&store.id, &skus[7], "40");
    world.edit(&store.id, &skus[249], "40");
    let error = AdapterError::new(ErrorClass::Attention, "memory.key_refused", "no such key");
    world.platform.shop(&store.id, |shop| {
        shop.refused_pages.extend([None, Some(error)]);
    });
    let found = world.reconcile::<Stock>(&store.id, "run_1").await?;
    let code = found.error_code.as_deref();
    ensure!(code == Some("memory.key_refused"), "{found:?}");
    ensure!(found.needs_attention && found.missing == 0, "{found:?}");
    ensure!((found.pages, found.differing) == (1, 1), "{found:?}");
    world.quiet::<Stock>(&store.id).await?;
    let first = [(format!("id-{}", skus[7]), "5".to_owned())];
    ensure!(world.written(&store.id, before) == first);
    eventually("the registry knows the code", PATIENCE, async || {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let code = told.first().and_then(|end| end.error_code.as_deref());
        ensure!(code == Some("memory.key_refused"), "{told:?}");
        Ok(())
    })
    .await?;
    // A store that only asks for a pause is asked again.
    let pause = Duration::from_millis(10);
    let limited = AdapterError::new(ErrorClass::Limited { pause }, "memory.limited", "slower");
    world.platform.shop(&store.id, |shop| {
        shop.refused_pages.extend([None, Some(limited)])
    });
    let found = world.reconcile::<Stock>(&store.id, "run_2").await?;
    ensure!((found.pages, found.differing) == (3, 1), "{found:?}");
    world.quiet::<Stock>(&store.id).await?;
    ensure!(world.written(&store.id, before).len() == 2);
    publisher.stop().await
}

#[tokio::test]
async fn deleted_and_double_articles_are_counted_and_left_alone() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let (store, publisher, skus) = synchronised(&world, 5).await?;
    let before = world.requests(&store.id);
    world.platform.shop(&store.id, |shop| {
        shop.page = 2;
        shop.shown.remove(&format!("id-{}", skus[0]));
        shop.shown
            .insert(format!("copy-{}", skus[1]), "9".to_owned());
        shop.shown.insert("id-ELSEWHERE".to_owned(), "9".to_owned());
        shop.shown.insert("nocode".to_owned(), "9".to_owned());
    });
    let found = world.reconcile::<Stock>(&store.id, "run_1").await?;
    let counts = (
        found.compared,
        found.differing,
        found.unknown,
        found.missing,
    );
    ensure!(counts == (4, 0, 3, 1), "{found:?}");
    world.quiet::<Stock>(&store.id).await?;
    ensure!(world.requests(&store.id) == before);
    publisher.stop().await
}

#[tokio::test]
async fn changes_during_a_reconciliation_are_no_drift_and_are_not_held_back() -> anyhow::Result<()>
{
    let world = World::sqlite().await?;
    let (store, publisher, skus) = synchronised(&world, 60).await?;
    world.platform.shop(&store.id, |shop| shop.page = 5);
    let mut revision = 1;
    for round in 0..3 {
        let run = format!("run_{round}");
        let turns = Arc::new(Semaphore::new(0));
        let kept = turns.clone();
        world
            .platform
            .shop(&store.id, move |shop| shop.page_turns = Some(kept));
        ensure!(world.ask_to_reconcile::<Stock>(&store.id, &run).await?);
        // One page after the other is shown while values change and are written.
        for page in 0..12 {
            revision += 1;
            let value = revision.to_string();
            let levels: Vec<_> = skus
                .iter()
                .skip(page)
                .step_by(3)
                .map(|sku| (sku.as_str(), value.as_str(), revision))
                .collect();
            world.levels(&levels).await?;
            if page == 0 {
                // The first page hangs: writes go on beside it.
                world.quiet_with(&store.id, levels[0].0, &value).await?;
            }
            turns.add_permits(1);
        }
        let found = world.ended::<Stock>(&store.id, &run).await?;
        ensure!(found.error_code.is_none(), "{found:?}");
        ensure!((found.differing, found.pages) == (0, 12), "{found:?}");
        ensure!(found.compared + found.waiting == 60, "{found:?}");
    }
    publisher.stop().await
}

impl World {
    /// Waits until a store shows a value.
    pub(crate) async fn quiet_with(
        &self,
        connection: &ConnectionId,
        sku: &str,
        value: &str,
    ) -> anyhow::Result<()> {
        eventually("the value is written", PATIENCE, async || {
            let id = format!("id-{sku}");
            let shown = self
                .platform
                .shop(connection, |shop| shop.shown.get(&id).cloned());
            ensure!(shown.as_deref() == Some(value), "{shown:?}");
            Ok(())
        })
        .await
    }
}

#[tokio::test]
async fn one_at_a_time_and_a_run_that_is_asked_for_twice_is_one() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let (store, publisher, _) = synchronised(&world, 3).await?;
    let turns = Arc::new(Semaphore::new(0));
    let kept = turns.clone();
    world
        .platform
        .shop(&store.id, move |shop| shop.page_turns = Some(kept));
    ensure!(world.ask_to_reconcile::<Stock>(&store.id, "run_1").await?);
    ensure!(world.ask_to_reconcile::<Stock>(&store.id, "run_1").await?);
    ensure!(!world.ask_to_reconcile::<Stock>(&store.id, "run_2").await?);
    turns.add_permits(1);
    world.ended::<Stock>(&store.id, "run_1").await?;
    ensure!(world.ask_to_reconcile::<Stock>(&store.id, "run_1").await?);
    ensure!(world.pages(&store.id) == 1);

    // Another tenant's connection answers like one that does not exist.
    let question = Reconcile {
        tenant: "other".parse()?,
        connection: store.id.clone(),
        run: "run_3".to_owned(),
    };
    let refused = world
        .ask::<Stock, _, ReconcileAnswer>(rpc::RECONCILE, &question)
        .await;
    let refused = refused.err().context("it was accepted")?.to_string();
    ensure!(refused.contains("connection.unknown"), "{refused}");
    let question = DriftQuestion {
        tenant: "other".parse()?,
        connection: store.id.clone(),
        limit: 10,
    };
    let foreign: DriftReports = world.ask::<Stock, _, _>(rpc::DRIFT, &question).await?;
    ensure!(foreign.items.is_empty());

    turns.add_permits(100);
    for number in 10..25 {
        let run = format!("run_{number}");
        world.reconcile::<Stock>(&store.id, &run).await?;
    }
    publisher.stop().await
}

#[tokio::test]
async fn a_reconciliation_of_a_process_that_died_is_made_by_the_next_one() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let (store, publisher, skus) = synchronised(&world, 12).await?;
    world.edit(&store.id, &skus[0], "40");
    world.edit(&store.id, &skus[11], "40");
    let before = world.requests(&store.id);
    let turns = Arc::new(Semaphore::new(1));
    let kept = turns.clone();
    world.platform.shop(&store.id, move |shop| {
        shop.page = 5;
        shop.page_turns = Some(kept);
        // What was found on the first page is marked and not written any more.
        shop.takes = Duration::from_secs(600);
    });
    ensure!(world.ask_to_reconcile::<Stock>(&store.id, "run_1").await?);
    eventually("the second page is asked for", PATIENCE, async || {
        ensure!(world.pages(&store.id) == 2);
        ensure!(world.requests(&store.id) == before + 1);
        Ok(())
    })
    .await?;
    publisher.kill();
    world.platform.shop(&store.id, |shop| {
        shop.page_turns = None;
        shop.takes = Duration::ZERO;
    });
    let publisher = world.start::<Stock>().await?;
    let found = world.ended::<Stock>(&store.id, "run_1").await?;
    ensure!(found.error_code.is_none() && found.pages == 3, "{found:?}");
    let right: Vec<_> = skus.iter().map(|sku| (sku.as_str(), "5")).collect();
    world.shows(&store.id, &right).await?;
    publisher.stop().await
}

#[tokio::test]
async fn the_owner_of_the_lane_reconciles_whichever_replica_is_asked() -> anyhow::Result<()> {
    let world = World::on(TestDatabase::postgres().await?).await?;
    let (store, first, skus) = synchronised(&world, 3).await?;
    let second = world.start::<Stock>().await?;
    for number in 0..6 {
        let sku = &skus[number % 3];
        world.edit(&store.id, sku, "40");
        let run = format!("run_{number}");
        let found = world.reconcile::<Stock>(&store.id, &run).await?;
        ensure!(found.differing == 1, "{found:?}");
        world.quiet_with(&store.id, sku, "5").await?;
    }
    first.stop().await?;
    second.stop().await
}

#[tokio::test]
async fn prices_and_sale_prices_are_compared() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B", "C"]).await?;
    let publisher = world.start::<Price>().await?;
    let sale = json!({ "gross": "9.90", "until": "2999-01-01T00:00:00Z" });
    let items = json!([
        { "sku": "A", "gross": "12.20", "sale": sale, "revision": 1 },
        { "sku": "B", "gross": "12.20", "sale": sale, "revision": 1 },
        { "sku": "C", "gross": "3", "revision": 1 },
    ]);
    let data = json!({ "price_list": "B2C", "currency": "EUR", "items": items });
    world.event("price", data).await?;
    let right = [
        ("A", "12.20 sale 9.90"),
        ("B", "12.20 sale 9.90"),
        ("C", "3"),
    ];
    world.shows(&store.id, &right).await?;
    world.quiet::<Price>(&store.id).await?;
    world.edit(&store.id, "A", "12.2 sale 9.9");
    world.edit(&store.id, "B", "12.20 sale 9.80");
    world.edit(&store.id, "C", "");
    let found = world.reconcile::<Price>(&store.id, "run_1").await?;
    let shown: Vec<_> = found
        .sample
        .iter()
        .map(|one| (one.sku.as_str(), one.shown.as_str(), one.wanted.as_str()))
        .collect();
    let expected = [
        (
            "B",
            "12.20, sale 9.80",
            "12.20 gross, sale 9.90 until 2999-01-01T00:00:00Z",
        ),
        ("C", "no price", "3 gross"),
    ];
    ensure!(shown == expected, "{shown:?}");
    let right = [("A", "12.2 sale 9.9"), ("B", "12.20 sale 9.90"), ("C", "3")];
    world.shows(&store.id, &right).await?;
    publisher.stop().await
}
