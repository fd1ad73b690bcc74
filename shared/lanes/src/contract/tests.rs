//! The real databases.

use storelink_persistence::Database;
use storelink_test_support::database::TestDatabase;

use crate::MIGRATOR;

/// A check on both databases, each time in one of its own.
macro_rules! on_both_databases {
    ($($check:ident: $db:ident => $arguments:tt;)*) => {$(
        #[tokio::test]
        async fn $check() {
            let postgres = TestDatabase::postgres().await.unwrap();
            for place in [TestDatabase::sqlite().unwrap(), postgres] {
                let database = open(&place).await;
                let $db = &database;
                super::$check $arguments.await.unwrap();
            }
        }
    )*};
}

on_both_databases! {
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

async fn open(place: &TestDatabase) -> Database {
    let settings = place.settings();
    let db = Database::open(&settings, "stock-publisher").await.unwrap();
    db.migrate(&MIGRATOR).await.unwrap();
    db
}
