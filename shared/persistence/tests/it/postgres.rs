//! What only PostgreSQL has: a server that can be far away, slow, frozen or gone.

use std::process::Command;
use std::time::Duration;

use storelink_persistence::{Backend, Database, DatabaseSettings, args};
use storelink_test_support::database::TestDatabase;
use tokio::time::Instant;

use crate::{count, opened};

const INSERT: &str = "INSERT INTO items (id, quantity) VALUES ($1, $2)";

#[tokio::test]
async fn services_have_schemas_of_their_own() {
    let server = TestDatabase::postgres().await.unwrap();
    let example = opened(&server).await;
    assert_eq!(example.backend(), Backend::Postgres);
    example.execute(INSERT, args!["a", 1]).await.unwrap();
    let other = Database::open(&server.settings(), "stock-publisher")
        .await
        .unwrap();
    other.migrate(&crate::MIGRATOR).await.unwrap();
    assert_eq!(count(&other).await, 0);
    let row = other
        .fetch_one("SELECT current_schema() AS name", Vec::new())
        .await
        .unwrap();
    assert_eq!(row.text("name").unwrap(), "stock_publisher");
}

#[tokio::test]
async fn replicas_may_start_together() {
    let server = TestDatabase::postgres().await.unwrap();
    let settings = server.settings();
    let open = || Database::open(&settings, "example");
    let (a, b, c, d) = tokio::join!(open(), open(), open(), open());
    for replica in [a, b, c, d] {
        replica.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn the_password_may_stand_in_a_file() {
    let server = TestDatabase::own_postgres().await.unwrap();
    let mut settings = server.settings();
    let database = Database::open(&settings, "example").await.unwrap();
    let set_password = "ALTER USER postgres PASSWORD 's3cret'";
    database.execute(set_password, Vec::new()).await.unwrap();
    let row = database
        .fetch_one("SELECT current_setting('hba_file') AS path", Vec::new())
        .await
        .unwrap();
    let rule = "local all all scram-sha-256\nhost all all all scram-sha-256\n";
    std::fs::write(row.text("path").unwrap(), rule).unwrap();
    database.close().await;
    server.halt().await.unwrap();
    server.resume().await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    settings.password_file = Some(file.clone());
    let error = Database::open(&settings, "example").await.err().unwrap();
    assert_eq!(error.code(), "database.settings");
    std::fs::write(&file, "guessed\n").unwrap();
    let error = Database::open(&settings, "example").await.err().unwrap();
    assert!(!error.to_string().contains("guessed"), "{error}");
    std::fs::write(&file, "s3cret\n").unwrap();
    let database = Database::open(&settings, "example").await.unwrap();
    database.ping().await.unwrap();
}

#[tokio::test]
async fn a_long_statement_is_ended() {
    let server = TestDatabase::postgres().await.unwrap();
    let mut settings = server.settings();
    settings.statement_timeout = Duration::from_secs(1);
    let database = Database::open(&settings, "example").await.unwrap();
    let began = Instant::now();
    let error = database
        .execute("SELECT pg_sleep(60)", Vec::new())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "database.timeout");
    assert!(error.is_transient() && began.elapsed() < Duration::from_secs(5));
    database.ping().await.unwrap();
}

#[tokio::test]
async fn a_deadlock_is_a_transient_error() {
    let server = TestDatabase::postgres().await.unwrap();
    let database = opened(&server).await;
    for id in ["a", "b"] {
        database.execute(INSERT, args![id, 1]).await.unwrap();
    }
    let update = "UPDATE items SET quantity = quantity + 1 WHERE id = $1";
    let mut one = database.begin().await.unwrap();
    let mut other = database.begin().await.unwrap();
    one.execute(update, args!["a"]).await.unwrap();
    other.execute(update, args!["b"]).await.unwrap();
    let (left, right) = tokio::join!(
        one.execute(update, args!["b"]),
        other.execute(update, args!["a"])
    );
    let error = left.and(right).unwrap_err();
    assert_eq!(error.code(), "database.contention");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for address in [format!("127.0.0.1:{port}"), "127.0.0.1:1".to_owned()] {
        let url = format!("postgres://app:s3cret@{address}/storelink");
        let mut settings = DatabaseSettings::for_url(&url);
        settings.acquire_timeout = Duration::from_secs(1);
        let began = Instant::now();
        let error = Database::open(&settings, "example").await.err().unwrap();
        assert_eq!(error.code(), "database.unreachable", "{error}");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "took {:?}",
            began.elapsed()
        );
        assert!(
            !format!("{error} {error:?}").contains("s3cret"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn work_goes_on_after_the_server_was_gone() {
    let server = TestDatabase::own_postgres().await.unwrap();
    let mut settings = server.settings();
    settings.acquire_timeout = Duration::from_secs(2);
    let database = Database::open(&settings, "example").await.unwrap();
    database.migrate(&crate::MIGRATOR).await.unwrap();
    let mut open = database.begin().await.unwrap();
    open.execute(INSERT, args!["lost", 1]).await.unwrap();
    server.halt().await.unwrap();
    assert!(open.commit().await.unwrap_err().is_transient());
    let began = Instant::now();
    let error = database
        .execute(INSERT, args!["refused", 1])
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "took {:?}",
        began.elapsed()
    );
    server.resume().await.unwrap();
    let limit = Instant::now() + Duration::from_secs(20);
    while let Err(error) = database.execute(INSERT, args!["kept", 1]).await {
        assert!(error.is_transient() && Instant::now() < limit, "{error}");
    }
    assert_eq!(count(&database).await, 1);
}

/// A frozen server process keeps its connection open and answers nothing.
async fn freeze_and_go_on(before_freezing: Duration) -> Vec<&'static str> {
    let server = TestDatabase::own_postgres().await.unwrap();
    let mut settings = server.settings();
    settings.max_connections = 1;
    settings.acquire_timeout = Duration::from_secs(3);
    settings.statement_timeout = Duration::from_secs(1);
    let database = Database::open(&settings, "example").await.unwrap();
    let row = database
        .fetch_one("SELECT pg_backend_pid() AS pid", Vec::new())
        .await
        .unwrap();
    let process = row.int("pid").unwrap().to_string();
    // The connection goes back to the pool, or idles there.
    tokio::time::sleep(before_freezing).await;
    let signal = |name: &str| {
        Command::new("kill")
            .args([name, &process])
            .status()
            .unwrap()
    };
    assert!(signal("-STOP").success());
    let mut errors = Vec::new();
    let limit = Instant::now() + Duration::from_secs(20);
    while let Err(error) = database.ping().await {
        assert!(error.is_transient() && Instant::now() < limit, "{error}");
        errors.push(error.code());
    }
    assert!(signal("-CONT").success());
    errors
}

#[tokio::test]
async fn a_connection_that_freezes_in_use_is_replaced() {
    let errors = freeze_and_go_on(Duration::from_millis(300)).await;
    assert_eq!(
        errors,
        ["database.timeout"],
        "the statement, then a new connection"
    );
}

#[tokio::test]
async fn a_connection_that_freezes_while_it_returns_is_replaced() {
    let errors = freeze_and_go_on(Duration::ZERO).await;
    assert!(!errors.is_empty());
}

#[tokio::test]
async fn a_connection_that_freezes_while_it_idles_is_replaced() {
    let errors = freeze_and_go_on(Duration::from_millis(1_500)).await;
    assert!(!errors.is_empty());
}
