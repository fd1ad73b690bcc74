//! One suite for both back ends, and what is special about each.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod copies;
mod migrations;
mod postgres;
mod sqlite;
mod statements;
mod transactions;
mod values;

use storelink_persistence::{Database, Migrator};
use storelink_test_support::database::TestDatabase;

static MIGRATOR: Migrator = sqlx::migrate!("tests/migrations");

/// A migrated database for the service "example".
async fn opened(database: &TestDatabase) -> Database {
    let opened = Database::open(&database.settings(), "example")
        .await
        .unwrap();
    opened.migrate(&MIGRATOR).await.unwrap();
    opened
}

async fn count(database: &Database) -> i64 {
    let row = database
        .fetch_one("SELECT COUNT(*) AS number FROM items", Vec::new())
        .await;
    row.unwrap().int("number").unwrap()
}
