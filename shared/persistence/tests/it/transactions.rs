use std::sync::Arc;
use std::time::Duration;

use storelink_persistence::{Database, DbError, args};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::{count, opened};

on_each_database!(
    commit_makes_everything_visible_at_once,
    dropping_rolls_back,
    a_failed_statement_refuses_the_commit,
    a_missing_row_does_not_fail_it,
    readers_do_not_wait_for_a_writer,
    no_increment_is_lost,
    an_aborted_task_leaves_nothing_behind,
    a_wait_for_a_connection_is_bounded,
);

const INSERT: &str = "INSERT INTO items (id, quantity) VALUES ($1, $2)";

async fn commit_makes_everything_visible_at_once(database: TestDatabase) {
    let database = opened(&database).await;
    let mut transaction = database.begin().await.unwrap();
    transaction.execute(INSERT, args!["a", 1]).await.unwrap();
    transaction
        .execute("INSERT INTO parts VALUES ($1, $2)", args!["a", 1])
        .await
        .unwrap();
    let own = transaction
        .fetch_all("SELECT id FROM items", Vec::new())
        .await
        .unwrap();
    assert_eq!(own.len(), 1, "a transaction sees its own rows");
    assert_eq!(count(&database).await, 0, "others do not see them yet");
    transaction.commit().await.unwrap();
    assert_eq!(count(&database).await, 1);
}

async fn dropping_rolls_back(database: TestDatabase) {
    let database = opened(&database).await;
    for id in ["a", "b", "c"] {
        let mut transaction = database.begin().await.unwrap();
        transaction.execute(INSERT, args![id, 1]).await.unwrap();
    }
    database.execute(INSERT, args!["a", 1]).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

async fn a_failed_statement_refuses_the_commit(database: TestDatabase) {
    let database = opened(&database).await;
    let mut transaction = database.begin().await.unwrap();
    transaction.execute(INSERT, args!["a", 1]).await.unwrap();
    assert!(
        transaction
            .execute(INSERT, args!["a", 1])
            .await
            .unwrap_err()
            .is_unique_violation()
    );
    assert_eq!(transaction.commit().await, Err(DbError::TransactionFailed));
    // The same writer serves again, after the rollback.
    database.execute(INSERT, args!["b", 1]).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

async fn a_missing_row_does_not_fail_it(database: TestDatabase) {
    let database = opened(&database).await;
    let mut transaction = database.begin().await.unwrap();
    let missing = transaction
        .fetch_one("SELECT 1 AS one FROM items", Vec::new())
        .await;
    assert_eq!(missing.err(), Some(DbError::RowNotFound));
    transaction.execute(INSERT, args!["a", 1]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(count(&database).await, 1);
}

async fn readers_do_not_wait_for_a_writer(database: TestDatabase) {
    let database = opened(&database).await;
    database.execute(INSERT, args!["a", 1]).await.unwrap();
    let mut transaction = database.begin().await.unwrap();
    transaction
        .execute("UPDATE items SET quantity = 2", Vec::new())
        .await
        .unwrap();
    let read = database.fetch_one("SELECT quantity FROM items", Vec::new());
    let row = tokio::time::timeout(Duration::from_secs(2), read)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.int("quantity").unwrap(), 1);
    transaction.commit().await.unwrap();
}

async fn no_increment_is_lost(database: TestDatabase) {
    let database = opened(&database).await;
    database.execute(INSERT, args!["a", 0]).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let database = database.clone();
        tasks.spawn(async move {
            for _ in 0..5 {
                let mut transaction = database.begin().await.unwrap();
                transaction
                    .execute("UPDATE items SET quantity = quantity + 1", Vec::new())
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let row = database
        .fetch_one("SELECT quantity FROM items", Vec::new())
        .await
        .unwrap();
    assert_eq!(row.int("quantity").unwrap(), 100);
}

async fn an_aborted_task_leaves_nothing_behind(database: TestDatabase) {
    let database = opened(&database).await;
    for _ in 0..10 {
        let (inserted, writer) = (Arc::new(Notify::new()), database.clone());
        let signal = Arc::clone(&inserted);
        let task = tokio::spawn(async move {
            let mut transaction = writer.begin().await.unwrap();
            transaction.execute(INSERT, args!["a", 1]).await.unwrap();
            signal.notify_one();
            loop {
                transaction
                    .execute("UPDATE items SET quantity = quantity + 1", Vec::new())
                    .await
                    .unwrap();
            }
        });
        inserted.notified().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    // Neither a row nor an open transaction is left on any connection.
    database.execute(INSERT, args!["a", 1]).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

async fn a_wait_for_a_connection_is_bounded(database: TestDatabase) {
    let mut settings = database.settings();
    settings.max_connections = 1;
    settings.acquire_timeout = Duration::from_secs(1);
    let database = Database::open(&settings, "example").await.unwrap();
    database.migrate(&crate::MIGRATOR).await.unwrap();
    let transaction = database.begin().await.unwrap();
    let error = database.execute(INSERT, args!["a", 1]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(error.code(), "database.timeout");
    drop(transaction);
    database.execute(INSERT, args!["a", 1]).await.unwrap();
}
