//! `storelink migrate`

use std::path::Path;

use storelink_persistence::Database;
use storelink_settings::Settings;

use crate::adapters;

/// Brings the database of every role up to date.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) async fn migrate(config: Option<&Path>) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let services = [
        (
            "connection-registry",
            &storelink_connection_registry::MIGRATOR,
        ),
        ("poller", &storelink_poller::MIGRATOR),
        ("order-ingest", &storelink_order_ingest::MIGRATOR),
        ("product-catalog", &storelink_product_catalog::MIGRATOR),
        ("stock-publisher", &storelink_stock_publisher::MIGRATOR),
        ("price-publisher", &storelink_price_publisher::MIGRATOR),
    ];
    let services = services.map(|(service, migrator)| (service.to_owned(), migrator));
    let adapters = adapters::all();
    let pollers = adapters.iter().map(|(platform, _)| {
        (
            storelink_poller::database_name(&settings, platform),
            &storelink_poller::MIGRATOR,
        )
    });
    for (service, migrator) in services.into_iter().chain(pollers) {
        let database = Database::open(&settings.database, &service).await?;
        database.migrate(migrator).await?;
        println!("{service}: up to date");
        database.close().await;
    }
    Ok(())
}
