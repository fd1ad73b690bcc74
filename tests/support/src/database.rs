//! A database of its own for one test: a SQLite folder, or a database on a PostgreSQL server.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use storelink_persistence::{DatabaseSettings, MigrateAtStart, SqliteSynchronous};
use tempfile::{NamedTempFile, TempDir};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use uuid::Uuid;

/// Names a running server that tests may create databases on.
pub const SERVER_VARIABLE: &str = "STORELINK_TEST_POSTGRES_URL";

/// Long enough to install PostgreSQL first.
const START_LIMIT: Duration = Duration::from_secs(300);
const CONTROL_LIMIT: Duration = Duration::from_secs(60);

/// A database of its own for one test, removed when dropped.
pub struct TestDatabase {
    url: String,
    // Dropped in this order: the database before its server.
    place: Place,
}

enum Place {
    Sqlite { _folder: TempDir },
    Shared { name: String, server_url: String },
    Own(OwnServer),
}

impl TestDatabase {
    /// A SQLite folder.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn sqlite() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("storelink-sqlite-")
            .tempdir()?;
        let url = format!("sqlite:{}", folder.path().display());
        Ok(Self {
            url,
            place: Place::Sqlite { _folder: folder },
        })
    }

    /// A new database on the server that `STORELINK_TEST_POSTGRES_URL` names, else on one that
    /// this process starts for all its tests and that ends with it.
    ///
    /// # Errors
    /// When no server can be had.
    pub async fn postgres() -> anyhow::Result<Self> {
        let server_url = match std::env::var(SERVER_VARIABLE) {
            Ok(url) if !url.is_empty() => url,
            _ => server_of_this_process().await?,
        };
        let name = format!("t_{}", Uuid::now_v7().simple());
        administer(&server_url, format!("CREATE DATABASE {name}")).await?;
        let url = with_database(&server_url, &name)?;
        Ok(Self {
            url,
            place: Place::Shared { name, server_url },
        })
    }

    /// A server that belongs to this test alone, so that it can be halted.
    ///
    /// # Errors
    /// When no server can be started.
    pub async fn own_postgres() -> anyhow::Result<Self> {
        let server = spawn_blocking(OwnServer::start);
        let server = timeout(START_LIMIT, server)
            .await
            .context("PostgreSQL did not start")???;
        Ok(Self {
            url: server.url.clone(),
            place: Place::Own(server),
        })
    }

    /// Value for the setting `database.url`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Settings for the database: no wait for the disk, and a schema that services bring up to
    /// date by themselves; other values at their defaults.
    #[must_use]
    pub fn settings(&self) -> DatabaseSettings {
        let mut settings = DatabaseSettings::for_url(&self.url);
        settings.sqlite_synchronous = SqliteSynchronous::Normal;
        settings.migrate_at_start = MigrateAtStart::Yes;
        settings
    }

    /// Ends the server as a crash would. Only for [`TestDatabase::own_postgres`].
    ///
    /// # Errors
    /// When the server is not this test's own.
    pub async fn halt(&self) -> anyhow::Result<()> {
        self.control("halt").await
    }

    /// Starts the server again after [`TestDatabase::halt`].
    ///
    /// # Errors
    /// When the server is not this test's own, or does not start.
    pub async fn resume(&self) -> anyhow::Result<()> {
        self.control("resume").await
    }

    async fn control(&self, command: &'static str) -> anyhow::Result<()> {
        let Place::Own(server) = &self.place else {
            bail!("only a server of its own may be halted by a test");
        };
        let folder = server.folder.path().to_owned();
        let status = spawn_blocking(move || {
            Command::new(script())
                .arg(command)
                .arg(folder)
                .stdout(Stdio::null())
                .status()
        });
        let status = timeout(CONTROL_LIMIT, status)
            .await
            .context("PostgreSQL does not react")???;
        if status.success() {
            Ok(())
        } else {
            Err(anyhow!("postgres.sh {command}: {status}"))
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Shared { name, server_url } = &self.place else {
            return;
        };
        let (drop, url) = (
            format!("DROP DATABASE {name} WITH (FORCE)"),
            server_url.clone(),
        );
        // On a thread and runtime of its own: dropping happens inside the test's runtime.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { timeout(CONTROL_LIMIT, administer(&url, drop)).await? })
        });
        if !matches!(cleaning.join(), Ok(Ok(()))) {
            // The server is thrown away with everything in it; a test must not fail for this.
            note_leftover(name);
        }
    }
}

#[expect(clippy::print_stderr, reason = "shown with the output of the test")]
fn note_leftover(name: &str) {
    eprintln!("test database {name} was not removed");
}

/// A server process that ends when its standard input does: with this value, or with the process.
struct OwnServer {
    url: String,
    process: Child,
    folder: TempDir,
}

impl OwnServer {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("storelink-pg-").tempdir()?;
        // Not inherited: the script outlives a test by a moment, which its runner would call a leak.
        let complaints = NamedTempFile::new()?;
        let mut process = Command::new(script())
            .arg("run")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.reopen()?)
            .spawn()
            .context("postgres.sh cannot be run")?;
        let mut url = String::new();
        let output = process.stdout.take().context("postgres.sh has no output")?;
        BufReader::new(output).read_line(&mut url)?;
        if url.trim().is_empty() {
            process.wait()?;
            bail!(
                "no PostgreSQL: {}",
                std::fs::read_to_string(complaints.path())?.trim()
            );
        }
        Ok(Self {
            url: url.trim().to_owned(),
            process,
            folder,
        })
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Waited for, so that the folder is gone and no process is left behind.
        let _ = self.process.wait();
    }
}

async fn server_of_this_process() -> anyhow::Result<String> {
    // Never dropped: the end of the process closes the server's standard input.
    static SERVER: OnceCell<OwnServer> = OnceCell::const_new();
    let start = || async {
        timeout(START_LIMIT, spawn_blocking(OwnServer::start))
            .await
            .context("PostgreSQL did not start")??
    };
    Ok(SERVER.get_or_try_init(start).await?.url.clone())
}

async fn administer(server_url: &str, sql: String) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(server_url).await?;
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

fn with_database(server_url: &str, name: &str) -> anyhow::Result<String> {
    let (address, query) = match server_url.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (server_url, String::new()),
    };
    let (server, _) = address
        .rsplit_once('/')
        .filter(|(server, _)| !server.ends_with('/'))
        .with_context(|| format!("{SERVER_VARIABLE} must name a database"))?;
    Ok(format!("{server}/{name}{query}"))
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres.sh")
}

/// Declares each function, an `async fn(TestDatabase)`, as a test on SQLite and on PostgreSQL.
///
/// ```ignore
/// on_each_database!(rows_come_back, rollback_undoes);
///
/// async fn rows_come_back(database: TestDatabase) {
///     let database = Database::open(&database.settings(), "example").await.unwrap();
/// }
/// ```
#[macro_export]
macro_rules! on_each_database {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    let database = $crate::database::TestDatabase::sqlite().expect("a folder");
                    super::$test(database).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    let database = $crate::database::TestDatabase::postgres().await;
                    super::$test(database.expect("a PostgreSQL server")).await;
                }
            )+
        }
    };
}
