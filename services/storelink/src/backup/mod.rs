//! `storelink backup` and `storelink restore`.
//!
//! SQL is the record and the broker is transport, so a backup is copies of the databases, and of the
//! broker only what is nowhere else. The order of the copies makes them fit while everything runs:
//!
//! 1. The queues. A message leaves one after its effect is committed, so what is missing from the copy
//!    of a queue is in a database that is copied afterwards; what is in both is taken in twice, which
//!    changes nothing.
//! 2. The databases, on PostgreSQL at one moment; on SQLite in the order of
//!    [`databases`].

mod manifest;
mod messages;
mod restore;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use storelink_bus::Bus;
use storelink_bus::users::ADMINISTRATOR;
use storelink_model::Timestamp;
use storelink_persistence::{Backend, DbError, backend, copy_databases};
use storelink_settings::Settings;

use crate::process::bus_options;
use crate::schema::databases;
use manifest::{Contents, DATABASES, Kind, Manifest, STREAMS};

pub(crate) use restore::restore;

/// Copies a running or a stopped system into a folder.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) async fn backup(config: Option<&Path>, folder: &Path) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let bus = Bus::connect(&bus_options(&settings, ADMINISTRATOR)).await?;
    prepare(folder)?;
    let manifest = match fill(&settings, &bus, folder).await {
        Ok(manifest) => manifest,
        Err(error) => {
            // Customers' data in a folder that is no backup would only be forgotten there.
            for part in [DATABASES, STREAMS] {
                std::fs::remove_dir_all(folder.join(part)).ok();
            }
            return Err(error);
        }
    };
    for copy in &manifest.databases {
        println!("{}: schema {}", copy.service, copy.schema_version());
    }
    for stream in &manifest.streams {
        println!("{}: {} messages", stream.name, stream.messages);
    }
    println!(
        "{} holds everything that was acknowledged before {}",
        folder.display(),
        manifest.taken
    );
    println!(
        "The vault's keys are NOT in it, and without them no credential of it can be opened: keep a \
         copy of {} in another place",
        settings.vault.keys_dir.display()
    );
    Ok(())
}

async fn fill(settings: &Settings, bus: &Bus, folder: &Path) -> anyhow::Result<Manifest> {
    let taken = Timestamp::now();
    let streams = messages::save(bus, folder).await?;
    let services: Vec<String> = databases(settings)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let into = folder.join(DATABASES);
    DirBuilder::new().mode(0o700).create(&into)?;
    let copies = copy_databases(&settings.database, &services, &into)
        .await
        .map_err(with_remedy)?;
    ensure!(
        copies
            .iter()
            .any(|copy| copy.service == storelink_connection_registry::SERVICE),
        "there is no installation at {}: check database.url and data_dir",
        settings.database.url
    );
    let contents = Contents {
        taken,
        database: kind(settings)?,
        databases: copies,
        streams,
    };
    let written = folder.to_owned();
    tokio::task::spawn_blocking(move || Manifest::write(&written, contents)).await?
}

/// Nobody else on the machine may read it: it holds orders with names and addresses.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    let context = || format!("the folder {} cannot be used", folder.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(context)?;
    if folder.read_dir().with_context(context)?.next().is_some() {
        bail!(
            "{} is not empty: give each backup a folder of its own",
            folder.display()
        );
    }
    Ok(())
}

fn kind(settings: &Settings) -> anyhow::Result<Kind> {
    Ok(match backend(&settings.database)? {
        Backend::Sqlite => Kind::Sqlite,
        Backend::Postgres => Kind::Postgres,
    })
}

fn with_remedy(error: DbError) -> anyhow::Error {
    let remedy = format!("{}: {}", error.code(), error.remedy());
    anyhow::Error::new(error).context(remedy)
}
