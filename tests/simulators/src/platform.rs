//! What a simulated platform must be able to do; the server, the faults and the control API use only this.

use serde_json::Value;

use crate::action::{Action, ActionError, Article, OrderSummary};
use crate::clock::{ClockSetting, utc_micros};
use crate::faults::FaultPage;
use crate::http::{Reply, Request};
use crate::ledger::Effect;

/// One piece of work in a store: its limits and what it changed.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Stop a batch after so many rows.
    pub(crate) row_limit: Option<usize>,
    /// Permalinks are plain.
    pub(crate) plain_permalinks: bool,
    /// Everything that changed.
    pub(crate) effects: Vec<Effect>,
}

impl Work {
    /// Notes a changed value.
    pub(crate) fn changed(
        &mut self,
        (entity, id, parent_id, sku): (&str, u64, u64, &str),
        field: &str,
        old: Value,
        new: Value,
    ) {
        self.effects.push(Effect {
            at_us: utc_micros(),
            entity: entity.to_owned(),
            id,
            parent_id,
            sku: sku.to_owned(),
            field: field.to_owned(),
            old,
            new,
        });
    }
}

/// A store of some platform.
pub(crate) trait Platform: Send + Sync {
    /// Does the work of a request and answers.
    fn answer(&self, request: &Request, work: &mut Work) -> Reply;
    /// The page that this platform, or the server before it, shows for a fault.
    fn page(&self, page: &FaultPage, request: &Request) -> Reply;
    /// Headers every answer of the store carries, for example `Date` by the store's clock.
    fn date_header(&self) -> String;
    /// Lets something happen in the shop.
    fn act(&self, action: &Action, work: &mut Work) -> Result<Value, ActionError>;
    /// The state of all sellable articles.
    fn articles(&self) -> Vec<Article>;
    /// The essentials of all orders.
    fn orders(&self) -> Vec<OrderSummary>;
    /// One order in full as the API would show it.
    fn order(&self, id: u64) -> Option<Value>;
    /// The refunds of one order in full as the API would list them.
    fn refunds(&self, order: u64) -> Option<Vec<Value>>;
    /// Changes the store's clock.
    fn set_clock(&self, setting: ClockSetting);
}
