//! Who plays: five stores that differ in version, time zone, price list and health.

use futures::future::try_join_all;
use storelink_simulators::woocommerce::{StoreSpec, Version};
use storelink_simulators::{Article, Fault, FaultEffect, FaultMatch};
use storelink_test_support::api::Api;
use storelink_test_support::stores::Stores;
use storelink_test_support::world::{LinkPlan, LinkedStore, link};

/// Articles that each store sells.
pub(crate) const SKUS: usize = 1_000;
/// How many of them are variations.
const VARIATIONS: usize = 60;
/// All stores sell the same articles.
const SEED: u64 = 20_261_122;
/// Prices for consumers, with tax.
pub(crate) const CONSUMERS: &str = "B2C";
/// Prices for businesses, without tax.
pub(crate) const BUSINESSES: &str = "B2B";

/// One store of the play.
pub(crate) struct Role {
    pub(crate) plan: LinkPlan,
    pub(crate) version: Version,
    pub(crate) zone: &'static str,
    /// What is special about it.
    pub(crate) trait_of: Trait,
}

/// What is special about a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trait {
    Healthy,
    /// Every answer takes 800 ms.
    Slow,
    /// Fails for 10 s in phase 2.
    Failing,
}

impl Role {
    pub(crate) fn is_for_consumers(&self) -> bool {
        self.plan.prices.as_ref().is_some_and(|choice| choice.gross)
    }
}

/// Opens the five stores.
pub(crate) async fn open(stores: &Stores) -> anyhow::Result<Vec<Role>> {
    let new = Version::V11;
    let old = Version::V7_9;
    let mut cast = Vec::new();
    for (name, version, zone, gross, trait_of) in [
        ("ljubljana", new, "Europe/Ljubljana", true, Trait::Healthy),
        ("stockholm", new, "Europe/Stockholm", true, Trait::Slow),
        ("new-york", old, "America/New_York", true, Trait::Failing),
        ("vienna", old, "Europe/Vienna", false, Trait::Healthy),
        ("chatham", new, "Pacific/Chatham", false, Trait::Healthy),
    ] {
        let mut spec = StoreSpec {
            version,
            time_zone: zone.to_owned(),
            prices_include_tax: gross,
            ..StoreSpec::seeded(name, SEED, SKUS, VARIATIONS)
        };
        if trait_of == Trait::Slow {
            let effect = FaultEffect::Latency {
                ms: 800,
                row_ms: 0,
                jitter_ms: 0,
            };
            spec.faults.push(Fault {
                on: FaultMatch::default(),
                effect,
            });
        }
        let opened = stores.open(&spec).await?;
        let list = if gross { CONSUMERS } else { BUSINESSES };
        let plan = LinkPlan::of(&spec, &opened).prices(list, gross);
        cast.push(Role {
            plan,
            version,
            zone,
            trait_of,
        });
    }
    Ok(cast)
}

/// Links all stores at once, as five people would.
pub(crate) async fn link_all(api: &Api, cast: &[Role]) -> anyhow::Result<Vec<LinkedStore>> {
    try_join_all(cast.iter().map(|role| link(api, role.plan.clone()))).await
}

/// The code of an article, if it can be sold.
pub(crate) fn sku_of(article: &Article) -> Option<&str> {
    Some(article.sku.as_str()).filter(|sku| !sku.is_empty())
}
