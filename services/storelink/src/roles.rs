//! The roles by name.

use std::path::Path;

use anyhow::Context;
use storelink_model::Platform;
use storelink_service::ServiceContext;
use storelink_settings::Settings;

use crate::cli::{RoleName, Serve};
use crate::process::{Process, Setting};

/// One role with what it needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    ConnectionRegistry,
    Poller(Platform),
    OrderIngest,
    ProductCatalog,
    StockPublisher,
    PricePublisher,
}

impl Role {
    /// Every role of an installation with these platforms.
    pub(crate) fn all(platforms: impl Iterator<Item = Platform>) -> Vec<Self> {
        let mut roles = vec![
            Self::ConnectionRegistry,
            Self::OrderIngest,
            Self::ProductCatalog,
            Self::StockPublisher,
            Self::PricePublisher,
        ];
        roles.extend(platforms.map(Self::Poller));
        roles
    }

    /// The name in logs and traces.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::ConnectionRegistry => "connection-registry".to_owned(),
            Self::Poller(platform) => format!("poller-{platform}"),
            Self::OrderIngest => "order-ingest".to_owned(),
            Self::ProductCatalog => "product-catalog".to_owned(),
            Self::StockPublisher => "stock-publisher".to_owned(),
            Self::PricePublisher => "price-publisher".to_owned(),
        }
    }

    /// Runs it until the context's shutdown.
    pub(crate) async fn run(self, context: ServiceContext) -> anyhow::Result<()> {
        match self {
            Self::ConnectionRegistry => Ok(storelink_connection_registry::run(context).await?),
            Self::Poller(platform) => Ok(storelink_poller::run(context, platform).await?),
            Self::OrderIngest => Ok(storelink_order_ingest::run(context).await?),
            Self::ProductCatalog => Ok(storelink_product_catalog::run(context).await?),
            Self::StockPublisher => Ok(storelink_stock_publisher::run(context).await?),
            Self::PricePublisher => Ok(storelink_price_publisher::run(context).await?),
        }
    }
}

/// `storelink serve …`
pub(crate) async fn serve(config: Option<&Path>, serve: &Serve) -> anyhow::Result<()> {
    let role = match serve.role {
        RoleName::ConnectionRegistry => Role::ConnectionRegistry,
        RoleName::Poller => Role::Poller(platform(serve.platform.as_deref())?),
        RoleName::OrderIngest => Role::OrderIngest,
        RoleName::ProductCatalog => Role::ProductCatalog,
        RoleName::StockPublisher => Role::StockPublisher,
        RoleName::PricePublisher => Role::PricePublisher,
    };
    let settings = Settings::load(config)?;
    let mut process = Process::start(settings, &role.name(), Setting::Production).await?;
    let context = process.context.clone();
    process.spawn(role.name(), role.run(context));
    process.run().await.0
}

fn platform(name: Option<&str>) -> anyhow::Result<Platform> {
    let platform: Platform = name.context("a poller needs --platform")?.parse()?;
    let known = crate::adapters::all();
    anyhow::ensure!(
        known.get(&platform).is_some(),
        "platform {platform} is not known; known are {}",
        known
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(platform)
}
