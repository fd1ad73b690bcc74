//! Linking simulated stores through the real API, as a person would.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use storelink_simulators::StoreInfo;
use storelink_simulators::woocommerce::{ApiKey, StoreSpec};

use crate::api::{Api, NewConnection, Verification};
use crate::eventually::eventually;
use crate::stores::key_of;

/// The entities of a store that can be switched on.
pub const ENTITIES: [&str; 4] = ["products", "stock", "prices", "orders"];

const READ_LIMIT: Duration = Duration::from_secs(60);

/// How a store is linked.
#[derive(Debug, Clone)]
pub struct LinkPlan {
    /// Name of the simulated store, and of the connection.
    pub name: String,
    /// The store's address.
    pub address: String,
    /// Its key.
    pub key: ApiKey,
    /// Warehouses whose stock is published.
    pub warehouses: Vec<String>,
    /// Kept back of every SKU.
    pub reserve: Decimal,
    /// The price list, if prices are published.
    pub prices: Option<PriceChoice>,
    /// Fraction digits of the store's currency.
    pub digits: u32,
    /// Which entities are switched on, with the seconds between two reads.
    pub schedules: Vec<(String, u64)>,
    /// Further settings.
    pub settings: Map<String, Value>,
}

/// A price list and the form in which it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceChoice {
    /// The list.
    pub list: String,
    /// For consumers, gross; else for businesses, net.
    pub gross: bool,
}

/// A store that is linked.
#[derive(Debug, Clone)]
pub struct LinkedStore {
    /// How.
    pub plan: LinkPlan,
    /// The id of its connection.
    pub connection: String,
}

impl LinkPlan {
    /// A store with everything switched on, stock of the warehouse `main`, without prices.
    #[must_use]
    pub fn of(spec: &StoreSpec, opened: &StoreInfo) -> Self {
        Self {
            name: spec.name.clone(),
            address: opened.url.clone(),
            key: key_of(spec),
            warehouses: vec!["main".to_owned()],
            reserve: Decimal::ZERO,
            prices: None,
            digits: spec.decimals,
            schedules: ENTITIES
                .iter()
                .map(|entity| ((*entity).to_owned(), 3_600))
                .collect(),
            settings: Map::new(),
        }
    }

    /// With prices of this list: gross for consumers, net for businesses.
    #[must_use]
    pub fn prices(mut self, list: &str, gross: bool) -> Self {
        self.prices = Some(PriceChoice {
            list: list.to_owned(),
            gross,
        });
        self
    }

    /// With a further setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// With this time between two reads of an entity.
    #[must_use]
    pub fn every(mut self, entity: &str, seconds: u64) -> Self {
        self.schedules
            .iter_mut()
            .filter(|(name, _)| name == entity)
            .for_each(|(_, s)| *s = seconds);
        self
    }

    /// Whether an entity is switched on.
    #[must_use]
    pub fn has(&self, entity: &str) -> bool {
        self.schedules.iter().any(|(name, _)| name == entity)
    }

    /// What is entered for it.
    #[must_use]
    pub fn entered(&self) -> NewConnection {
        let mut settings = self.settings.clone();
        settings.insert("warehouses".to_owned(), json!(self.warehouses));
        settings.insert("reserve".to_owned(), json!(self.reserve.to_string()));
        if let Some(prices) = &self.prices {
            let audience = if prices.gross { "b2c" } else { "b2b" };
            settings.insert(
                "price_list".to_owned(),
                json!({"code": prices.list, "audience": audience}),
            );
        }
        NewConnection {
            platform: "woocommerce".to_owned(),
            name: self.name.clone(),
            address: self.address.clone(),
            credentials: json!({
                "consumer_key": self.key.key,
                "consumer_secret": self.key.secret,
            }),
            settings: Value::Object(settings),
        }
    }
}

/// Saves a draft, verifies it, activates it with the ticket and switches its schedules on.
///
/// # Errors
/// When a step is refused or the verification is not green.
pub async fn link(api: &Api, plan: LinkPlan) -> anyhow::Result<LinkedStore> {
    let draft = api.create_connection(&plan.entered()).await?;
    let verified = api.verify(&draft).await?;
    ensure!(
        verified.is_green(),
        "{} is not green: {}",
        plan.name,
        verified.failures()
    );
    activate(api, &draft, &verified).await?;
    for (entity, seconds) in &plan.schedules {
        api.switch_on(&draft, entity, *seconds).await?;
    }
    Ok(LinkedStore {
        plan,
        connection: draft,
    })
}

async fn activate(api: &Api, connection: &str, verified: &Verification) -> anyhow::Result<()> {
    let ticket = verified
        .ticket
        .as_deref()
        .context("a green verification without a ticket")?;
    api.activate(connection, ticket).await
}

/// Lets an entity be read now and waits until that read has ended well.
///
/// # Errors
/// When the run fails or does not end in time.
pub async fn read_now(api: &Api, connection: &str, entity: &str) -> anyhow::Result<()> {
    let run = eventually(
        &format!("a run of {entity} is taken"),
        READ_LIMIT,
        async || api.run_now(connection, entity).await,
    )
    .await?;
    let what = format!("the run of {entity} of {connection} ends");
    let ended = eventually(&what, READ_LIMIT, async || {
        let state = api.run(connection, &run).await?;
        ensure!(state.has_ended(), "it is {}", state.state);
        Ok(state)
    })
    .await?;
    ensure!(
        ended.error_code.is_none(),
        "the run of {entity} failed: {ended:?}"
    );
    Ok(())
}
