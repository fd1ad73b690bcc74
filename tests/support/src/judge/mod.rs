//! Compares what the stores show and recorded with what the ERP said, and what they sold with what
//! arrived. It reads the simulators' records, the API and the events; never a log or a table.

mod delays;
mod going_back;
mod orders;
mod regressions;
#[cfg(test)]
mod tests;
mod values;
mod woocommerce;
mod writes;

use serde_json::Value;
use storelink_simulators::SimulatorClient;

pub use delays::Delays;
pub use orders::OrderTally;
pub use regressions::{LastWord, Regression};
pub use values::Tally;
pub use writes::WriteTally;

use crate::api::Api;
use crate::erp::Erp;
use crate::hub::Hub;
use crate::stores::ledger;
use crate::world::LinkedStore;

/// How many examples of what is wrong are kept for each question.
const EXAMPLES: usize = 5;

/// What is judged.
pub struct Judge<'a> {
    /// The system under test.
    pub api: &'a Api,
    /// The stores.
    pub stores: SimulatorClient,
    /// What should be shown.
    pub erp: &'a Erp,
    /// Which stores are linked, and how.
    pub links: &'a [LinkedStore],
    /// Only changes that were said after this count for delays; microseconds since 1970.
    pub delays_since_us: i64,
}

/// The outcome for all stores.
#[derive(Debug)]
pub struct Verdict {
    /// Store by store.
    pub stores: Vec<StoreVerdict>,
}

/// The outcome for one store.
#[derive(Debug)]
pub struct StoreVerdict {
    /// Which store.
    pub name: String,
    /// Its stock now.
    pub stock: Tally,
    /// Its prices now.
    pub prices: Tally,
    /// What was written to it.
    pub writes: WriteTally,
    /// From the ERP's word to the store's value, stock.
    pub delays: Delays,
    /// Its orders.
    pub orders: OrderTally,
}

impl Judge<'_> {
    /// Judges everything.
    ///
    /// # Errors
    /// When stores, API or broker do not answer; what is wrong is no error but in the verdict.
    pub async fn verdict(&self, hub: &mut Hub) -> anyhow::Result<Verdict> {
        hub.read().await?;
        let mut stores = Vec::with_capacity(self.links.len());
        for link in self.links {
            stores.push(self.store(link, hub).await?);
        }
        Ok(Verdict { stores })
    }

    /// Whether the stock of a store is right now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn stock(&self, link: &LinkedStore) -> anyhow::Result<Tally> {
        let articles = self.stores.articles(&link.plan.name).await?;
        Ok(values::stock(link, &articles, &self.erp.stock()))
    }

    /// Whether the prices of a store are right now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn prices(&self, link: &LinkedStore) -> anyhow::Result<Tally> {
        let articles = self.stores.articles(&link.plan.name).await?;
        Ok(values::prices(link, &articles, &self.erp.prices()))
    }

    /// All times in which a store showed an older value after a newer one.
    ///
    /// # Errors
    /// When the store's record cannot be read.
    pub async fn regressions(&self, link: &LinkedStore) -> anyhow::Result<Vec<Regression>> {
        let entries = ledger(&self.stores, &link.plan.name, true).await?;
        let (stock, prices) = (self.erp.stock(), self.erp.prices());
        Ok(regressions::of_store(link, &entries, &stock, &prices))
    }

    /// What was said last and written last of the stock and the prices of these articles: unlike
    /// what the store shows, it is not changed by sales.
    ///
    /// # Errors
    /// When the store's record cannot be read.
    pub async fn last_words(
        &self,
        link: &LinkedStore,
        skus: &[String],
    ) -> anyhow::Result<(Vec<LastWord>, Vec<LastWord>)> {
        let entries = ledger(&self.stores, &link.plan.name, true).await?;
        Ok((
            regressions::last_stock(link, &entries, &self.erp.stock(), skus),
            regressions::last_prices(link, &entries, &self.erp.prices(), skus),
        ))
    }

    /// Whether the orders of a store have arrived as they are now.
    ///
    /// # Errors
    /// When store or API do not answer.
    pub async fn orders(&self, link: &LinkedStore, hub: &Hub) -> anyhow::Result<OrderTally> {
        let summaries = self.stores.orders(&link.plan.name).await?;
        let mut in_store = Vec::with_capacity(summaries.len());
        for summary in &summaries {
            in_store.push(self.order(&link.plan.name, summary.id).await?);
        }
        let in_ledger = self.api.orders(&link.connection).await?;
        Ok(orders::judge(
            &in_store,
            &in_ledger,
            &hub.orders_of(&link.connection),
        ))
    }

    /// The orders of a store that, by their events, went back to what they were before: only where
    /// nobody in the shop changed anything back.
    #[must_use]
    pub fn orders_gone_back(&self, link: &LinkedStore, hub: &Hub) -> Vec<String> {
        going_back::of_orders(&hub.orders_of(&link.connection))
    }

    /// An order as the store shows it, with its refunds in full.
    async fn order(&self, store: &str, id: u64) -> anyhow::Result<Value> {
        let mut order = self.stores.order(store, id).await?;
        if let Some(refunds) = order.get_mut("refunds")
            && refunds
                .as_array()
                .is_some_and(|refunds| !refunds.is_empty())
        {
            *refunds = self.stores.refunds(store, id).await?.into();
        }
        Ok(order)
    }

    async fn store(&self, link: &LinkedStore, hub: &Hub) -> anyhow::Result<StoreVerdict> {
        let name = &link.plan.name;
        let articles = self.stores.articles(name).await?;
        let entries = ledger(&self.stores, name, true).await?;
        let (stock, prices) = (self.erp.stock(), self.erp.prices());
        Ok(StoreVerdict {
            name: name.clone(),
            stock: values::stock(link, &articles, &stock),
            prices: values::prices(link, &articles, &prices),
            writes: writes::judge(link, &entries, &stock, &prices),
            delays: delays::of_stock(link, &entries, &stock, self.delays_since_us),
            orders: self.orders(link, hub).await?,
        })
    }
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.stores.iter().all(StoreVerdict::is_right)
    }

    /// What is wrong, with examples.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.stores
            .iter()
            .flat_map(StoreVerdict::complaints)
            .collect()
    }

    /// Fails with what is wrong.
    ///
    /// # Errors
    /// When anything is wrong.
    pub fn must_be_right(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.is_right(), "{}", self.complaints().join("\n"));
        Ok(())
    }
}

impl StoreVerdict {
    /// Whether nothing is wrong with this store.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.stock.is_right()
            && self.prices.is_right()
            && self.writes.is_right()
            && self.orders.is_right()
    }

    fn complaints(&self) -> Vec<String> {
        let parts = [
            ("stock", self.stock.complaint()),
            ("prices", self.prices.complaint()),
            ("writes", self.writes.complaint()),
            ("orders", self.orders.complaint()),
        ];
        let found = parts
            .into_iter()
            .filter_map(|(part, complaint)| Some((part, complaint?)));
        found
            .map(|(part, complaint)| format!("{}, {part}: {complaint}", self.name))
            .collect()
    }
}

/// The first few of what is wrong, for people.
fn examples(wrong: &[String]) -> String {
    let shown = wrong.get(..EXAMPLES).unwrap_or(wrong).join("; ");
    if wrong.len() > EXAMPLES {
        format!("{shown}; …")
    } else {
        shown
    }
}
