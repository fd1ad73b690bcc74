use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType};
use storelink_persistence::{Database, DbError, Migrator};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::{MIGRATOR, count, opened};

on_each_database!(
    migrating_twice_changes_nothing,
    a_schema_without_migrations_is_too_old,
    a_schema_of_a_newer_program_is_refused,
    a_changed_migration_is_refused,
    a_failing_migration_leaves_nothing,
    two_that_migrate_at_once_agree,
);

fn migrations(texts: &[(i64, &'static str)]) -> Migrator {
    let migrations = texts.iter().map(|(version, text)| {
        Migration::new(
            *version,
            "test".into(),
            MigrationType::Simple,
            text.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

async fn migrating_twice_changes_nothing(database: TestDatabase) {
    let database = opened(&database).await;
    database
        .execute(
            "INSERT INTO items (id, quantity) VALUES ('a', 1)",
            Vec::new(),
        )
        .await
        .unwrap();
    database.migrate(&MIGRATOR).await.unwrap();
    database.check_schema(&MIGRATOR).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

async fn a_schema_without_migrations_is_too_old(database: TestDatabase) {
    let database = Database::open(&database.settings(), "example")
        .await
        .unwrap();
    let error = database.check_schema(&MIGRATOR).await.unwrap_err();
    let text = "database schema of example is at version 0, this program needs 2: \
                run `storelink migrate`";
    assert_eq!(error.to_string(), text);
    assert_eq!(error.remedy(), "run `storelink migrate`");
    database
        .migrate(&migrations(&[(1, "CREATE TABLE a (b TEXT)")]))
        .await
        .unwrap();
    let newer = migrations(&[
        (1, "CREATE TABLE a (b TEXT)"),
        (7, "CREATE TABLE c (d TEXT)"),
    ]);
    let error = database.check_schema(&newer).await.unwrap_err();
    let service = "example".to_owned();
    assert_eq!(
        error,
        DbError::SchemaTooOld {
            service,
            found: 1,
            needed: 7
        }
    );
}

async fn a_schema_of_a_newer_program_is_refused(database: TestDatabase) {
    let database = Database::open(&database.settings(), "example")
        .await
        .unwrap();
    let newer = migrations(&[
        (1, "CREATE TABLE a (b TEXT)"),
        (2, "CREATE TABLE c (d TEXT)"),
    ]);
    database.migrate(&newer).await.unwrap();
    let older = migrations(&[(1, "CREATE TABLE a (b TEXT)")]);
    let refused = DbError::SchemaTooNew {
        service: "example".to_owned(),
        found: 2,
        known: 1,
    };
    assert_eq!(database.check_schema(&older).await, Err(refused.clone()));
    assert_eq!(database.migrate(&older).await, Err(refused));
}

async fn a_changed_migration_is_refused(database: TestDatabase) {
    let database = Database::open(&database.settings(), "example")
        .await
        .unwrap();
    database
        .migrate(&migrations(&[(1, "CREATE TABLE a (b TEXT)")]))
        .await
        .unwrap();
    let changed = migrations(&[(1, "CREATE TABLE a (b TEXT, c TEXT)")]);
    let refused = DbError::SchemaChanged {
        service: "example".to_owned(),
        version: 1,
    };
    assert_eq!(database.check_schema(&changed).await, Err(refused.clone()));
    assert_eq!(database.migrate(&changed).await, Err(refused));
}

async fn a_failing_migration_leaves_nothing(database: TestDatabase) {
    let database = Database::open(&database.settings(), "example")
        .await
        .unwrap();
    let failing = migrations(&[
        (1, "CREATE TABLE a (b TEXT)"),
        (2, "CREATE TABLE c (d TEXT); INSERT INTO nowhere VALUES (1)"),
    ]);
    let error = database.migrate(&failing).await.unwrap_err();
    assert_eq!(error.code(), "database.migration_failed");
    assert!(error.to_string().contains("version 2"), "{error}");
    let mended = migrations(&[
        (1, "CREATE TABLE a (b TEXT)"),
        (2, "CREATE TABLE c (d TEXT)"),
    ]);
    database.migrate(&mended).await.unwrap();
    database.check_schema(&mended).await.unwrap();
}

async fn two_that_migrate_at_once_agree(database: TestDatabase) {
    let one = Database::open(&database.settings(), "example")
        .await
        .unwrap();
    let other = match one.backend() {
        storelink_persistence::Backend::Sqlite => one.clone(),
        storelink_persistence::Backend::Postgres => Database::open(&database.settings(), "example")
            .await
            .unwrap(),
    };
    let (left, right) = tokio::join!(one.migrate(&MIGRATOR), other.migrate(&MIGRATOR));
    left.unwrap();
    right.unwrap();
    other.check_schema(&MIGRATOR).await.unwrap();
}
