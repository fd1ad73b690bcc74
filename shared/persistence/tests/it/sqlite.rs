//! What only SQLite has: a file that one process holds.

use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use storelink_persistence::{Backend, Database, DbError, SqliteSynchronous, args};
use storelink_test_support::database::TestDatabase;

use crate::{count, opened};

#[tokio::test]
async fn a_file_in_use_is_refused_until_it_is_released() {
    let folder = TestDatabase::sqlite().unwrap();
    let first = opened(&folder).await;
    assert_eq!(first.backend(), Backend::Sqlite);
    let refused = Database::open(&folder.settings(), "example")
        .await
        .err()
        .unwrap();
    assert!(matches!(&refused, DbError::FileInUse { path } if path.ends_with("example.db")));
    assert!(!refused.to_string().contains('\n'), "{refused}");
    Database::open(&folder.settings(), "other").await.unwrap();
    first
        .execute(
            "INSERT INTO items (id, quantity) VALUES ('a', 1)",
            Vec::new(),
        )
        .await
        .unwrap();
    first.close().await;
    drop(first);
    assert_eq!(count(&opened(&folder).await).await, 1);
}

#[tokio::test]
async fn waiting_for_the_disk_is_a_setting() {
    for (setting, pragma) in [(SqliteSynchronous::Normal, 1), (SqliteSynchronous::Full, 2)] {
        let folder = TestDatabase::sqlite().unwrap();
        let mut settings = folder.settings();
        settings.sqlite_synchronous = setting;
        let database = Database::open(&settings, "example").await.unwrap();
        let row = database
            .fetch_one("PRAGMA synchronous", Vec::new())
            .await
            .unwrap();
        assert_eq!(row.int("synchronous").unwrap(), pragma);
        let row = database
            .fetch_one("PRAGMA journal_mode", Vec::new())
            .await
            .unwrap();
        assert_eq!(row.text("journal_mode").unwrap(), "wal");
    }
}

#[tokio::test]
async fn a_foreign_writer_is_waited_for_and_then_a_transient_error() {
    let folder = TestDatabase::sqlite().unwrap();
    let database = opened(&folder).await;
    let file = format!("{}/example.db", folder.url());
    let mut foreign = SqliteConnection::connect(&file).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut foreign)
        .await
        .unwrap();
    let began = tokio::time::Instant::now();
    let insert = "INSERT INTO items (id, quantity) VALUES ($1, $2)";
    let error = database.execute(insert, args!["a", 1]).await.unwrap_err();
    assert_eq!(error.code(), "database.contention");
    assert!(error.is_transient());
    assert!(
        began.elapsed() >= Duration::from_secs(5),
        "waited {:?}",
        began.elapsed()
    );
    sqlx::query("ROLLBACK").execute(&mut foreign).await.unwrap();
    database.execute(insert, args!["a", 1]).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_folder_is_private() {
    use std::os::unix::fs::MetadataExt as _;

    let outer = TestDatabase::sqlite().unwrap();
    let mut settings = outer.settings();
    let url = format!("{}/deeper/data", outer.url());
    settings.url = url.as_str().into();
    Database::open(&settings, "example").await.unwrap();
    let path = url.strip_prefix("sqlite:").unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn names_that_could_leave_the_folder_are_refused() {
    let folder = TestDatabase::sqlite().unwrap();
    for name in ["", "../x", "a b", "A", "x;drop", "-x"] {
        let refused = Database::open(&folder.settings(), name)
            .await
            .err()
            .unwrap();
        assert_eq!(refused.code(), "database.settings", "{name}");
    }
}
