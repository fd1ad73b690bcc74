//! `storelink orders …`

use std::path::Path;

use storelink_order_ingest::{MIGRATOR, Scope, re_emit};
use storelink_persistence::Database;
use storelink_settings::Settings;

use crate::cli::OrdersAction;

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) async fn run(config: Option<&Path>, action: &OrdersAction) -> anyhow::Result<()> {
    let OrdersAction::ReEmit { whose } = action;
    let scope = match (&whose.tenant, &whose.connection) {
        (_, Some(connection)) => Scope::Connection(connection.parse()?),
        (Some(tenant), None) => Scope::Tenant(tenant.parse()?),
        (None, None) => anyhow::bail!("name a tenant or a connection"),
    };
    let settings = Settings::load(config)?;
    let database = Database::open(&settings.database, "order-ingest").await?;
    // It belongs to a running installation: a schema that is not there yet has no orders.
    database.check_schema(&MIGRATOR).await?;
    let events = re_emit(&database, &scope).await?;
    println!("{events} order events are published again");
    database.close().await;
    Ok(())
}
