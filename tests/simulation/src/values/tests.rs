//! The world's tables keep what the databases keep.

use std::sync::{Arc, Mutex};

use storelink_lanes::contract;
use storelink_persistence::DbError;

use super::World;
use super::database::Database;
use super::plan::Plan;
use crate::kernel::{ProcessId, Sim};

/// Runs a check as a process of a world in which nothing fails.
fn holds<F>(check: impl FnOnce(Database) -> F)
where
    F: Future<Output = Result<(), DbError>> + Send + 'static,
{
    let sim = Sim::new(1, false);
    let plan = sim.chance(Plan::of);
    let world = Arc::new(World::new(sim.clone(), plan));
    world.change_weather(|weather| weather.calm = true);
    let process = ProcessId(1);
    let check = check(Database { world, process });
    let ended = Arc::new(Mutex::new(None));
    let told = ended.clone();
    sim.spawn(process, async move {
        *told.lock().unwrap() = Some(check.await);
    });
    let until = sim.now().saturating_add(time::Duration::hours(1));
    sim.run_until(until, 100_000).unwrap();
    sim.end();
    assert_eq!(*ended.lock().unwrap(), Some(Ok(())));
}

macro_rules! the_tables_keep {
    ($($check:ident: $db:ident => $arguments:tt;)*) => {$(
        #[test]
        fn $check() {
            holds(|database| async move {
                let $db = &database;
                contract::$check $arguments.await
            });
        }
    )*};
}

the_tables_keep! {
    lanes_are_taken_by_compare_and_set: db => (db);
    processes_count_until_they_are_buried: db => (db);
    attempts_count_in_their_epoch: db => (db, db);
    notes_of_an_epoch_that_is_over_change_nothing: db => (db, db);
    a_doubt_that_moved_stays_open: db => (db, db);
    doubts_of_others_are_numbered: db => (db, db);
    a_forgotten_connection_keeps_its_epoch: db => (db, db);
    later_versions_replace_and_others_do_not: db => (db);
    pages_follow_each_other: db => (db);
    the_first_order_of_a_source_stays: db => (db);
}
