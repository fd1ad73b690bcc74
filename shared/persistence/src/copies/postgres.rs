//! Copies of PostgreSQL schemas by `COPY`, all in one transaction.

use std::path::Path;

use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use storelink_settings::DatabaseSettings;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::{CopiedMigration, CopiedTable, DatabaseCopy, failed, hexadecimal};
use crate::postgres::{connect_options, schema_of};
use crate::{DbError, Result};

/// Where the migrations of a schema are noted.
const MIGRATIONS: &str = "_sqlx_migrations";

pub(super) async fn copy(
    settings: &DatabaseSettings,
    services: &[String],
    folder: &Path,
) -> Result<Vec<DatabaseCopy>> {
    let mut connection = connect(settings).await?;
    // One moment for all services: it is that of the first statement in here.
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut connection)
        .await?;
    let mut copies = Vec::new();
    for service in services {
        copies.extend(copy_schema(&mut connection, service, folder).await?);
    }
    connection.close().await?;
    Ok(copies)
}

/// A connection without the limits of ordinary statements, which a copy would exceed.
pub(super) async fn connect(settings: &DatabaseSettings) -> Result<PgConnection> {
    let options = connect_options(settings, "backup")?.options([
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ]);
    let connecting = options.connect();
    match tokio::time::timeout(settings.acquire_timeout, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(DbError::Unreachable(format!(
            "no connection to {} within {:?}",
            settings.url, settings.acquire_timeout
        ))),
    }
}

async fn copy_schema(
    connection: &mut PgConnection,
    service: &str,
    folder: &Path,
) -> Result<Option<DatabaseCopy>> {
    let schema = schema_of(service);
    let mut names = tables(connection, &schema).await?;
    if !names.iter().any(|name| name == MIGRATIONS) {
        return Ok(None);
    }
    names.retain(|name| name != MIGRATIONS);
    let into = folder.join(service);
    tokio::fs::create_dir_all(&into)
        .await
        .map_err(|error| failed(&into, &error))?;
    let mut copy = DatabaseCopy {
        service: service.to_owned(),
        migrations: migrations(connection, &schema).await?,
        tables: Vec::new(),
    };
    for name in names {
        let columns = columns(connection, &schema, &name).await?;
        let table = CopiedTable { name, columns };
        let path = folder.join(copy.file_of(&table));
        copy_out(connection, &schema, &table, &path).await?;
        copy.tables.push(table);
    }
    Ok(Some(copy))
}

async fn copy_out(
    connection: &mut PgConnection,
    schema: &str,
    table: &CopiedTable,
    path: &Path,
) -> Result<()> {
    let unusable = |error: std::io::Error| failed(path, &error);
    let mut file = BufWriter::new(File::create(path).await.map_err(unusable)?);
    let statement = format!("COPY {} TO STDOUT", target(schema, table));
    let mut rows = connection.copy_out_raw(&statement).await?;
    while let Some(bytes) = rows.try_next().await? {
        file.write_all(&bytes).await.map_err(unusable)?;
    }
    file.flush().await.map_err(unusable)
}

/// Puts a copy into a schema that has exactly the tables of that copy, in place of their rows.
pub(super) async fn copy_in(
    pool: &PgPool,
    schema: &str,
    copy: &DatabaseCopy,
    folder: &Path,
) -> Result<()> {
    let mut pooled = pool.acquire().await?;
    // Its limits are lifted: it is not one of the pool any more.
    pooled.close_on_drop();
    let connection: &mut PgConnection = &mut pooled;
    for limit in [
        "SET statement_timeout = 0",
        "SET idle_in_transaction_session_timeout = 0",
        "BEGIN",
    ] {
        sqlx::query(limit).execute(&mut *connection).await?;
    }
    let mut made = tables(connection, schema).await?;
    made.retain(|name| name != MIGRATIONS);
    let mut copied: Vec<&str> = copy
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    copied.sort_unstable();
    let mut sorted: Vec<&str> = made.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    if sorted != copied {
        let reason = format!("it holds the tables {copied:?}, its migrations make {sorted:?}");
        return Err(failed(Path::new(&copy.service), &reason));
    }
    // What the migrations put there comes from the copy, too.
    let all: Vec<String> = made.iter().map(|name| quoted(schema, name)).collect();
    let truncate = AssertSqlSafe(format!("TRUNCATE {}", all.join(", ")));
    sqlx::query(truncate).execute(&mut *connection).await?;
    for table in &copy.tables {
        let path = folder.join(copy.file_of(table));
        let file = File::open(&path)
            .await
            .map_err(|error| failed(&path, &error))?;
        let statement = format!("COPY {} FROM STDIN", target(schema, table));
        let mut sink = connection.copy_in_raw(&statement).await?;
        match sink.read_from(file).await {
            Ok(_) => {}
            Err(error) => {
                sink.abort("the file cannot be read").await?;
                return Err(failed(&path, &error));
            }
        }
        sink.finish().await?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

/// The tables of a schema in the order in which they were made: one that refers to another comes after
/// it. None when there is no such schema.
pub(super) async fn tables(connection: &mut PgConnection, schema: &str) -> Result<Vec<String>> {
    let names = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY c.oid",
    );
    Ok(names.bind(schema).fetch_all(connection).await?)
}

async fn columns(connection: &mut PgConnection, schema: &str, table: &str) -> Result<Vec<String>> {
    let names = sqlx::query_scalar(
        "SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attnum",
    );
    Ok(names.bind(schema).bind(table).fetch_all(connection).await?)
}

async fn migrations(connection: &mut PgConnection, schema: &str) -> Result<Vec<CopiedMigration>> {
    let select = AssertSqlSafe(format!(
        "SELECT version, checksum FROM {} WHERE success ORDER BY version",
        quoted(schema, MIGRATIONS)
    ));
    let rows = sqlx::query(select).fetch_all(connection).await?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(CopiedMigration {
            version: row.try_get("version")?,
            checksum: hexadecimal(&row.try_get::<Vec<u8>, _>("checksum")?),
        })
    };
    rows.iter().map(read).collect()
}

fn target(schema: &str, table: &CopiedTable) -> String {
    let columns: Vec<String> = table.columns.iter().map(|name| identifier(name)).collect();
    format!("{} ({})", quoted(schema, &table.name), columns.join(", "))
}

fn quoted(schema: &str, table: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(table))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
