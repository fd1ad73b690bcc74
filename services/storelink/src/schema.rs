//! The databases of all roles, and `storelink migrate`.

use std::path::Path;

use storelink_persistence::{Database, Migrator};
use storelink_settings::Settings;

use crate::adapters;

/// The database of every role with its migrations, in the order in which a backup copies them.
///
/// Pollers come last: a number of a reading that is in the ledger or the catalogue must have been
/// drawn in their copy, too. The registry comes after those that keep something of its connections,
/// so that none of them knows one that it does not.
pub(crate) fn databases(settings: &Settings) -> Vec<(String, &'static Migrator)> {
    let services = [
        ("order-ingest", &storelink_order_ingest::MIGRATOR),
        ("product-catalog", &storelink_product_catalog::MIGRATOR),
        ("stock-publisher", &storelink_stock_publisher::MIGRATOR),
        ("price-publisher", &storelink_price_publisher::MIGRATOR),
        (
            "connection-registry",
            &storelink_connection_registry::MIGRATOR,
        ),
    ];
    let mut databases: Vec<_> = services
        .map(|(service, migrator)| (service.to_owned(), migrator))
        .into();
    let adapters = adapters::all();
    for (platform, _) in adapters.iter() {
        let name = storelink_poller::database_name(settings, platform);
        if databases.iter().all(|(known, _)| *known != name) {
            databases.push((name, &storelink_poller::MIGRATOR));
        }
    }
    databases
}

/// Brings the database of every role up to date.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) async fn migrate(config: Option<&Path>) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    for (service, migrator) in databases(&settings) {
        let database = Database::open(&settings.database, &service).await?;
        database.migrate(migrator).await?;
        println!("{service}: up to date");
        database.close().await;
    }
    Ok(())
}
