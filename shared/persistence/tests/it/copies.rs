//! Copies are of one moment although the database is written to, and come back whole.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use storelink_persistence::{Database, DatabaseCopy, DbError, Restoration, args, copy_databases};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{MIGRATOR, count, opened};

const SERVICE: &str = "example";
const MOST_COPIES: usize = 100;
/// What PostgreSQL's text format has to escape.
const ODD: &str = "tab\t back\\slash\r\nnew line, ', \", \\N, \\., čšž 🍺";

on_each_database!(
    a_copy_under_load_is_of_one_moment_and_comes_back_whole,
    an_occupied_place_is_refused_and_stays_as_it_was,
    a_copy_of_an_older_schema_is_brought_up_to_date,
    a_copy_of_a_newer_or_another_schema_is_refused,
    a_restoration_that_broke_off_leaves_nothing_and_can_be_made_again,
    what_was_never_made_is_left_out,
);

async fn a_copy_under_load_is_of_one_moment_and_comes_back_whole(database: TestDatabase) {
    let source = opened(&database).await;
    for (id, payload, active) in [
        ("odd", None, Some(true)),
        ("plain", Some(&[0_u8, 255][..]), None),
    ] {
        let row = args![id, 5, payload, active, i64::MIN, ODD];
        let sql = "INSERT INTO items (id, quantity, payload, active, changed_at, note)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        source.execute(sql, row).await.unwrap();
    }
    let stop = CancellationToken::new();
    let writer = tokio::spawn(pairs(source.clone(), stop.clone()));
    while count(&source).await < 20 {
        tokio::task::yield_now().await;
    }
    let (folder, copies, counted) = copy_beside_writes(&database, &source).await;
    stop.cancel();
    writer.await.unwrap();

    let place = Place::like(&database).await;
    place
        .restore(&copies, folder.path(), &MIGRATOR)
        .await
        .unwrap();
    let restored = Database::open(&place.database.settings(), SERVICE)
        .await
        .unwrap();
    restored.check_schema(&MIGRATOR).await.unwrap();
    let (items, parts) = (count(&restored).await, number_of_parts(&restored).await);
    assert!(counted.contains(&items), "{items} of {counted:?}");
    assert_eq!(items - 2, parts, "half of a transaction was copied");
    for (id, payload, active) in [
        ("odd", None, Some(true)),
        ("plain", Some(vec![0, 255]), None),
    ] {
        let sql = "SELECT * FROM items WHERE id = $1";
        let row = restored.fetch_one(sql, args![id]).await.unwrap();
        assert_eq!(row.text("note").unwrap(), ODD);
        assert_eq!(row.opt_bytes("payload").unwrap(), payload);
        assert_eq!(row.opt_bool("active").unwrap(), active);
        assert_eq!(row.int("changed_at").unwrap(), i64::MIN);
    }
    // It is a database like any other.
    let insert = "INSERT INTO items (id, quantity) VALUES ('later', 1)";
    restored.execute(insert, args![]).await.unwrap();
}

async fn an_occupied_place_is_refused_and_stays_as_it_was(database: TestDatabase) {
    let source = opened(&database).await;
    let row = "INSERT INTO items (id, quantity) VALUES ('kept', 1)";
    source.execute(row, args![]).await.unwrap();
    let refused = Restoration::begin(&database.settings(), &[SERVICE.to_owned()]).await;
    let refused = refused.err().unwrap();
    assert!(matches!(refused, DbError::NotEmpty { .. }), "{refused}");
    assert_eq!(refused.code(), "database.not_empty");
    assert!(
        !refused.to_string().contains("postgres:postgres"),
        "{refused}"
    );
    assert_eq!(count(&source).await, 1);
}

async fn a_copy_of_an_older_schema_is_brought_up_to_date(database: TestDatabase) {
    let source = Database::open(&database.settings(), SERVICE).await.unwrap();
    source.migrate(&first_migration()).await.unwrap();
    let row = "INSERT INTO items (id, quantity) VALUES ('old', 7)";
    source.execute(row, args![]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copies = copied(&database, folder.path()).await;
    assert_eq!(copies[0].schema_version(), 1);

    let place = Place::like(&database).await;
    place
        .restore(&copies, folder.path(), &MIGRATOR)
        .await
        .unwrap();
    let restored = Database::open(&place.database.settings(), SERVICE)
        .await
        .unwrap();
    restored.check_schema(&MIGRATOR).await.unwrap();
    let row = restored
        .fetch_one("SELECT * FROM items", args![])
        .await
        .unwrap();
    assert_eq!(
        (row.int("quantity").unwrap(), row.int("revision").unwrap()),
        (7, 0)
    );
}

async fn a_copy_of_a_newer_or_another_schema_is_refused(database: TestDatabase) {
    opened(&database).await;
    let folder = tempfile::tempdir().unwrap();
    let mut copies = copied(&database, folder.path()).await;
    let place = Place::like(&database).await;
    let newer = place
        .restore(&copies, folder.path(), &first_migration())
        .await;
    let newer = newer.unwrap_err();
    assert!(
        matches!(
            newer,
            DbError::SchemaTooNew {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{newer}"
    );
    copies[0].migrations[0].checksum = "00".to_owned();
    let other = place.restore(&copies, folder.path(), &MIGRATOR).await;
    let other = other.unwrap_err();
    assert!(
        matches!(other, DbError::SchemaChanged { version: 1, .. }),
        "{other}"
    );
}

async fn a_restoration_that_broke_off_leaves_nothing_and_can_be_made_again(database: TestDatabase) {
    let source = opened(&database).await;
    let row = "INSERT INTO items (id, quantity) VALUES ('kept', 1)";
    source.execute(row, args![]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copies = copied(&database, folder.path()).await;
    let place = Place::like(&database).await;
    let broken = place.begin().await;
    let prepared = broken
        .put(&copies[0], folder.path(), &MIGRATOR)
        .await
        .unwrap();
    prepared
        .execute("DELETE FROM items", args![])
        .await
        .unwrap();
    prepared.close().await;
    drop(broken);

    // Its place is as empty as before, and what it had prepared is gone.
    place
        .restore(&copies, folder.path(), &MIGRATOR)
        .await
        .unwrap();
    let restored = Database::open(&place.database.settings(), SERVICE)
        .await
        .unwrap();
    assert_eq!(count(&restored).await, 1);
}

async fn what_was_never_made_is_left_out(database: TestDatabase) {
    opened(&database).await;
    let folder = tempfile::tempdir().unwrap();
    let services = ["absent", SERVICE].map(str::to_owned);
    let copies = copied_of(&database, &services, folder.path()).await;
    let names: Vec<&str> = copies.iter().map(|copy| copy.service.as_str()).collect();
    assert_eq!(names, [SERVICE]);
}

/// Of several services one moment is copied: what one wrote after the other is never ahead of it.
#[tokio::test]
async fn postgres_copies_of_several_services_are_of_one_moment() {
    let database = TestDatabase::postgres().await.unwrap();
    let services = ["first", "second"].map(str::to_owned);
    let mut opened = Vec::new();
    for service in &services {
        let one = Database::open(&database.settings(), service).await.unwrap();
        one.migrate(&MIGRATOR).await.unwrap();
        opened.push(one);
    }
    let [first, second] = [opened[0].clone(), opened[1].clone()];
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let counting = first.clone();
    let writer = tokio::spawn(async move {
        let mut number = 0;
        while !stopped.is_cancelled() {
            number += 1;
            for database in [&first, &second] {
                let row = args![format!("{number:08}"), number];
                let sql = "INSERT INTO items (id, quantity) VALUES ($1, $2)";
                database.execute(sql, row).await.unwrap();
            }
        }
    });
    while count(&counting).await < 20 {
        tokio::task::yield_now().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let copies = copied_of(&database, &services, folder.path()).await;
    stop.cancel();
    writer.await.unwrap();
    let lines = |copy: &DatabaseCopy| {
        let items = copy
            .files()
            .into_iter()
            .find(|file| file.ends_with("items.copy"));
        let text = std::fs::read_to_string(folder.path().join(items.unwrap()));
        text.unwrap().lines().count()
    };
    let (first, second) = (lines(&copies[0]), lines(&copies[1]));
    assert!(
        first >= 20 && (first == second || first == second + 1),
        "{first}, {second}"
    );
}

/// An empty place for a restoration, of the kind of another database.
struct Place {
    database: TestDatabase,
}

impl Place {
    async fn like(other: &TestDatabase) -> Self {
        let database = if other.url().starts_with("sqlite:") {
            TestDatabase::sqlite()
        } else {
            TestDatabase::postgres().await
        };
        Self {
            database: database.unwrap(),
        }
    }

    async fn begin(&self) -> Restoration {
        let services = [SERVICE.to_owned()];
        Restoration::begin(&self.database.settings(), &services)
            .await
            .unwrap()
    }

    async fn restore(
        &self,
        copies: &[DatabaseCopy],
        folder: &Path,
        migrator: &Migrator,
    ) -> Result<(), DbError> {
        let restoration = self.begin().await;
        for copy in copies {
            let prepared = restoration.put(copy, folder, migrator).await?;
            prepared.close().await;
        }
        restoration.finish().await
    }
}

async fn copied(database: &TestDatabase, folder: &Path) -> Vec<DatabaseCopy> {
    let copies = copied_of(database, &[SERVICE.to_owned()], folder).await;
    let files: Vec<PathBuf> = copies.iter().flat_map(DatabaseCopy::files).collect();
    assert!(!files.is_empty() && files.iter().all(|file| folder.join(file).exists()));
    copies
}

async fn copied_of(
    database: &TestDatabase,
    services: &[String],
    folder: &Path,
) -> Vec<DatabaseCopy> {
    let settings = database.settings();
    copy_databases(&settings, services, folder).await.unwrap()
}

/// A copy during which something was committed, and between which numbers of items it was made. One
/// beside which nothing happened, on a machine that is busy with something else, proves nothing.
async fn copy_beside_writes(
    database: &TestDatabase,
    source: &Database,
) -> (TempDir, Vec<DatabaseCopy>, RangeInclusive<i64>) {
    for _ in 0..MOST_COPIES {
        let folder = tempfile::tempdir().unwrap();
        let before = count(source).await;
        let copies = copied(database, folder.path()).await;
        let after = count(source).await;
        if before < after {
            return (folder, copies, before..=after);
        }
    }
    panic!("nothing was written beside any of {MOST_COPIES} copies");
}

/// Writes an item and its part together until it is stopped.
async fn pairs(database: Database, stop: CancellationToken) {
    let mut number = 0;
    while !stop.is_cancelled() {
        let id = format!("pair-{number}");
        let mut transaction = database.begin().await.unwrap();
        let item = "INSERT INTO items (id, quantity) VALUES ($1, 1)";
        transaction.execute(item, args![&id]).await.unwrap();
        let part = "INSERT INTO parts (item, position) VALUES ($1, 1)";
        transaction.execute(part, args![&id]).await.unwrap();
        transaction.commit().await.unwrap();
        number += 1;
    }
}

async fn number_of_parts(database: &Database) -> i64 {
    let sql = "SELECT COUNT(*) AS number FROM parts";
    let row = database.fetch_one(sql, args![]).await.unwrap();
    row.int("number").unwrap()
}

fn first_migration() -> Migrator {
    Migrator::with_migrations(MIGRATOR.iter().take(1).cloned().collect())
}
