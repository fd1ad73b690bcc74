//! The short forms of the fault runs; `make faults` carries out the long ones.

use std::time::Duration;

use storelink_faults::late;
use storelink_faults::outcome::{RunId, Verdict};
use storelink_faults::runs::{Form, Run};
use storelink_faults::settle::Demand;
use storelink_faults::stage::DatabaseKind::{self, Postgres, Sqlite};
use storelink_faults::stage::NotSetUp;

/// The seed of `make test`; others are for `make faults`.
const SEED: u64 = 1;

#[tokio::test]
async fn roles_that_are_killed_at_work_lose_and_double_nothing_on_sqlite() {
    passes(Run::Kills(Sqlite)).await;
}

#[tokio::test]
async fn roles_that_are_killed_at_work_lose_and_double_nothing_on_postgres() {
    passes(Run::Kills(Postgres)).await;
}

#[tokio::test]
async fn kills_beside_stores_that_misbehave_do_no_harm_on_sqlite() {
    passes(Run::Mixed(Sqlite)).await;
}

#[tokio::test]
async fn kills_beside_stores_that_misbehave_do_no_harm_on_postgres() {
    passes(Run::Mixed(Postgres)).await;
}

#[tokio::test]
async fn a_frozen_owner_sends_nothing_after_its_lease() {
    passes(Run::Freeze).await;
}

#[tokio::test]
async fn replicas_that_come_and_go_keep_every_promise_and_the_stores_budget() {
    passes(Run::Replicas).await;
}

#[tokio::test]
async fn a_write_that_is_applied_late_is_put_right_on_sqlite() {
    passes(Run::Late(Sqlite)).await;
}

#[tokio::test]
async fn a_write_that_is_applied_late_is_put_right_on_postgres() {
    passes(Run::Late(Postgres)).await;
}

/// The judge is worth something only if it sees an older value that stays.
#[tokio::test]
async fn a_late_write_that_nobody_rechecks_is_found() {
    let mut plan = late::Plan::new(DatabaseKind::Sqlite, Duration::from_secs(10), 600);
    plan.demand = Demand::new(Duration::from_secs(10), 1);
    let found = plan
        .run(id("late-without-recheck".to_owned()))
        .await
        .unwrap();
    assert_eq!(found.verdict, Verdict::Failed);
    assert!(found.judged.regressions_lasting >= 6, "{found:?}");
    assert!(found.judged.quantities_wrong >= 6, "{found:?}");
    assert!(found.judged.prices_wrong >= 6, "{found:?}");
}

/// A starved machine may fail to set a world up, before any fault: that is tried once more. What a run
/// finds is its verdict at once; another try that finds nothing would take nothing back.
async fn passes(run: Run) {
    let carry_out = || run.carry_out(Form::Short, id(run.id(Form::Short)), None);
    let found = match carry_out().await {
        Err(error) if error.is::<NotSetUp>() => carry_out().await,
        found => found,
    };
    found.unwrap().must_have_passed().unwrap();
}

fn id(id: String) -> RunId {
    RunId {
        id,
        seed: SEED,
        commit: "of the working tree".to_owned(),
    }
}
