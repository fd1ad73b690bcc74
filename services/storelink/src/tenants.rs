//! `storelink tenants …`

use std::path::Path;

use secrecy::ExposeSecret as _;
use storelink_connection_registry::{Role, TokenPurpose};
use storelink_model::TenantId;
use storelink_persistence::Database;
use storelink_settings::Settings;

use crate::cli::TenantsAction;

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) async fn run(config: Option<&Path>, action: &TenantsAction) -> anyhow::Result<()> {
    let TenantsAction::Add { name } = action;
    let settings = Settings::load(config)?;
    let database = Database::open(&settings.database, "connection-registry").await?;
    let migrator = &storelink_connection_registry::MIGRATOR;
    if settings.database.migrates_at_start() {
        database.migrate(migrator).await?;
    } else {
        database.check_schema(migrator).await?;
    }
    let tenant: TenantId = name.parse()?;
    storelink_connection_registry::add_tenant(&database, &tenant).await?;
    let purpose = TokenPurpose {
        tenant,
        role: Role::Admin,
        label: "first administrator".to_owned(),
        expires: None,
    };
    let made = storelink_connection_registry::add_token(&database, &purpose).await?;
    println!("{}", made.token.expose_secret());
    database.close().await;
    Ok(())
}
