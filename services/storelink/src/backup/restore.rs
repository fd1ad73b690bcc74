//! Bringing a system back: everything is proved and prepared before anything is in its place.

use std::path::Path;

use anyhow::{Context, ensure};
use storelink_bus::users::ADMINISTRATOR;
use storelink_bus::{Bus, archive, streams};
use storelink_persistence::{Database, DatabaseCopy, Restoration};
use storelink_settings::Settings;
use storelink_vault::{CreateMissing, Vault};

use super::manifest::{DATABASES, Manifest};
use super::{kind, messages, with_remedy};
use crate::keys;
use crate::process::bus_options;
use crate::schema::databases;
use crate::streams::consumers_of_platforms;

/// Puts a backup into an empty database and an unused broker.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) async fn restore(config: Option<&Path>, folder: &Path) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let manifest = {
        let folder = folder.to_owned();
        tokio::task::spawn_blocking(move || Manifest::read(&folder)).await??
    };
    ensure!(
        manifest.database == kind(&settings)?,
        "the backup is of {:?} and database.url names another kind of database",
        manifest.database
    );
    let vault = keys::open(&settings.vault.keys_dir, CreateMissing::No)?;
    let bus = Bus::connect(&bus_options(&settings, ADMINISTRATOR)).await?;
    archive::ensure_unused(&bus)
        .await
        .context("restore needs a broker whose streams were never used: give it an empty store")?;
    let known = databases(&settings);
    let services: Vec<String> = known.iter().map(|(service, _)| service.clone()).collect();
    let restoration = Restoration::begin(&settings.database, &services)
        .await
        .map_err(with_remedy)?;

    for copy in &manifest.databases {
        let migrator = known.iter().find(|(service, _)| *service == copy.service);
        let (_, migrator) = migrator.with_context(|| {
            format!("this program has no service {} of the backup", copy.service)
        })?;
        let database = restoration
            .put(copy, &folder.join(DATABASES), migrator)
            .await
            .map_err(with_remedy)?;
        let settled = settle(copy, &database, &vault, &manifest).await;
        database.close().await;
        settled?;
        println!("{}: schema {}", copy.service, copy.schema_version());
    }
    // Whatever roles may: who restores is the administrator.
    streams::ensure(&bus, bus.options().sizing).await?;
    for consumer in consumers_of_platforms() {
        streams::apply_consumer(&bus, &consumer).await?;
    }
    let placed = match fill_broker(&bus, folder, &manifest).await {
        Ok(()) => restoration.finish().await.map_err(with_remedy),
        Err(error) => Err(error),
    };
    if let Err(error) = placed {
        // Else the next try would find a broker that was used.
        return Err(match archive::remove_archived(&bus).await {
            Ok(()) => error,
            Err(left) => error.context(format!(
                "{left}; give the broker an empty store before the next try"
            )),
        });
    }
    println!(
        "Restored from the backup of {} made by release {}. Nothing is written to any store until you \
         let it:",
        manifest.taken, manifest.program
    );
    println!("  1. start the roles, after making sure that the old ones never start again;");
    println!(
        "  2. let the ERP publish its full state (hub.<tenant>.resync.requested asks for it);"
    );
    println!("  3. reconcile each connection and look at what differs;");
    println!("  4. let writes go on: POST /v1/tenant/resume-writes");
    Ok(())
}

/// What each service changes in a database that is older than the world.
async fn settle(
    copy: &DatabaseCopy,
    database: &Database,
    vault: &Vault,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    match copy.service.as_str() {
        storelink_connection_registry::SERVICE => {
            storelink_connection_registry::settle_restored(database, vault, manifest.taken)
                .await
                .context(
                    "the vault must hold the keys of the installation that was backed up: put them \
                     into vault.keys_dir",
                )?;
        }
        storelink_product_catalog::SERVICE => {
            storelink_product_catalog::settle_restored(database).await?;
        }
        storelink_stock_publisher::SERVICE => {
            storelink_stock_publisher::settle_restored(database).await?;
        }
        storelink_price_publisher::SERVICE => {
            storelink_price_publisher::settle_restored(database).await?;
        }
        _ => {}
    }
    Ok(())
}

async fn fill_broker(bus: &Bus, folder: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let origin = format!("backup-{}", manifest.taken.micros());
    messages::publish(bus, folder, &manifest.streams, &origin).await
}
