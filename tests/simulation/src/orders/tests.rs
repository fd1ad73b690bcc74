//! The world's tables keep what the databases keep.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use storelink_order_ingest::contract as ledger;
use storelink_poller::contract as poller;

use super::ledger_tables::LedgerTables;
use super::poller_tables::PollerTables;
use super::sql::Sql;
use super::trouble::quiet;
use crate::kernel::{ProcessId, Sim};

/// Runs a check as a process of a world.
fn holds<F, E>(check: impl FnOnce(Sql) -> F)
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Debug,
{
    let sim = Sim::new(1, false);
    let sql = Sql::new(&sim, quiet(200, 5));
    let (done, check) = (Arc::new(AtomicBool::new(false)), check(sql));
    let (told, failure) = (done.clone(), Arc::new(Mutex::new(None)));
    let failed = failure.clone();
    sim.spawn(ProcessId(1), async move {
        if let Err(error) = check.await {
            *failed.lock().unwrap() = Some(format!("{error:?}"));
        }
        told.store(true, Ordering::Relaxed);
    });
    let until = sim.now().saturating_add(time::Duration::hours(1));
    sim.run_until(until, 100_000).unwrap();
    sim.end();
    assert_eq!(*failure.lock().unwrap(), None);
    assert!(done.load(Ordering::Relaxed), "the check does not end");
}

#[test]
fn the_tables_of_pollers_keep_what_databases_keep() {
    let tables = |sql: &Sql| PollerTables::new(sql, |_, _| {});
    holds(|sql| async move { poller::cursors_move_by_compare_and_set(&tables(&sql)).await });
    holds(|sql| async move { poller::read_numbers_only_grow(&tables(&sql)).await });
    holds(|sql| async move { poller::notes_are_all_or_none(&tables(&sql)).await });
    holds(|sql| async move { poller::an_acknowledgement_is_of_one_read(&tables(&sql)).await });
    holds(|sql| async move { poller::what_is_out_of_reach_is_forgotten(&tables(&sql)).await });
}

#[test]
fn the_tables_of_the_ledger_keep_what_databases_keep() {
    holds(|sql| async move {
        let tables = LedgerTables::new(&sql);
        let records = Arc::new(tables.clone());
        ledger::a_transaction_counts_when_it_is_committed(records, &tables).await
    });
    holds(|sql| async move {
        let tables = LedgerTables::new(&sql);
        ledger::a_claim_holds_until_its_time_is_over(Arc::new(tables.clone()), &tables).await
    });
    holds(|sql| async move {
        let tables = LedgerTables::new(&sql);
        ledger::after_a_loss_events_wait_again(Arc::new(tables.clone()), &tables).await
    });
}

#[test]
fn a_transaction_waits_for_the_one_that_has_its_order() {
    // Two replicas take readings of one order at once: each content is one revision.
    let sim = Sim::new(3, false);
    let sql = Sql::new(&sim, quiet(200, 5));
    let tables = LedgerTables::new(&sql);
    for process in 1..=4_u32 {
        let tables = tables.clone();
        sim.spawn(ProcessId(process), async move {
            ledger::takes(Arc::new(tables), i64::from(process))
                .await
                .unwrap();
        });
    }
    let until = sim.now().saturating_add(time::Duration::hours(1));
    sim.run_until(until, 100_000).unwrap();
    sim.end();
    let orders = tables.orders();
    assert_eq!(orders.len(), 1);
    let revisions: Vec<i64> = orders[0].1.iter().map(|one| one.revision).collect();
    assert!(
        revisions.iter().copied().eq(1..=revisions.len() as i64),
        "{revisions:?}"
    );
    assert_eq!(orders[0].1.last().unwrap().read_number, 4);
}

#[test]
fn a_statement_that_got_no_answer_may_have_had_its_effect() {
    let sim = Sim::new(1, false);
    let lossy = crate::kernel::Wire {
        lost_back: 1_000,
        ..quiet(200, 5)
    };
    let sql = Sql::new(&sim, lossy);
    let done = Arc::new(AtomicBool::new(false));
    let (effect, failed) = (done.clone(), Arc::new(AtomicBool::new(false)));
    let told = failed.clone();
    sim.spawn(ProcessId(1), async move {
        let outcome = sql
            .run(move |_| effect.store(true, Ordering::Relaxed))
            .await;
        told.store(
            outcome.is_err_and(|error| error.is_transient()),
            Ordering::Relaxed,
        );
    });
    let later = sim.now().saturating_add(time::Duration::seconds(60));
    sim.run_until(later, 1_000).unwrap();
    assert!(done.load(Ordering::Relaxed) && failed.load(Ordering::Relaxed));
}
