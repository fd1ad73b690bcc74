//! Says in the end whether everything is right.

use storelink_lanes::kind::{LaneKind, Stock};
use storelink_lanes::lane::PackedIds;
use storelink_model::ConnectionId;

use super::World;
use super::erp::{TENANT, WAREHOUSES};
use super::wanted::{Chosen, Quantities, wanted};

const MINUTE: i64 = 60_000_000;

impl World {
    /// What is wrong now that everything is quiet; empty when nothing is.
    pub(super) fn verdict(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.judge_mirror(&mut wrong);
        self.judge_stores(&mut wrong);
        self.judge_lanes(&mut wrong);
        for (name, queue) in [("events", &self.events), ("orders", &self.orders)] {
            if queue.waiting() > 0 {
                wrong.push(format!("{} {name} wait", queue.waiting()));
            }
            for (sequence, code) in queue.dead() {
                if code != "event.revision_conflict" {
                    wrong.push(format!("{name} #{sequence} is dead: {code}"));
                }
            }
        }
        wrong
    }

    /// ERP = mirror = stream = every level table.
    fn judge_mirror(&self, wrong: &mut Vec<String>) {
        let tables = self.tables();
        let erp = self.erp();
        let publishers = self.publishers();
        for ((warehouse, sku), truth) in &erp.truth {
            let place = (TENANT.to_owned(), warehouse.clone(), sku.clone());
            let Some(row) = tables.levels.get(&place) else {
                wrong.push(format!("{warehouse} {sku} is not in the mirror"));
                continue;
            };
            let value: i64 = row.level.value.to_string().parse().unwrap_or(-1);
            if !truth.values.contains(&value) {
                wrong.push(format!(
                    "mirror: {warehouse} {sku} = {value}, truth {truth:?}"
                ));
            }
            let subject = Stock::subject(&row.key);
            let held = self.values.last(&subject);
            let held = held.and_then(|held| Stock::decode(&held).ok());
            let held = held.map(|(_, level)| level.value);
            if held != Some(row.level.value) {
                wrong.push(format!(
                    "stream: {warehouse} {sku} = {held:?}, mirror {value}"
                ));
            }
            for (process, publisher) in publishers.iter() {
                let levels = publisher.levels(&row.key.tenant, &row.key.sku);
                let known = levels
                    .into_iter()
                    .find(|(source, _)| source.as_str() == warehouse)
                    .map(|(_, level)| level.value);
                if known != Some(row.level.value) {
                    wrong.push(format!(
                        "{process:?}: {warehouse} {sku} = {known:?}, mirror {value}"
                    ));
                }
            }
        }
    }

    /// Every store shows what is wanted, or says why not.
    fn judge_stores(&self, wrong: &mut Vec<String>) {
        let tables = self.tables();
        let registry = self.registry();
        for (connection, listed) in &registry.listed {
            let Some(record) = registry.records.get(connection) else {
                continue;
            };
            let chosen = Chosen::by(record);
            for (sku, listed) in listed.iter().filter(|(_, listed)| !listed.blocked) {
                let quantities: Quantities = WAREHOUSES
                    .iter()
                    .filter_map(|(warehouse, _)| {
                        let place = (TENANT.to_owned(), (*warehouse).to_owned(), sku.clone());
                        let row = tables.levels.get(&place)?;
                        Some(((*warehouse).to_owned(), row.level.value))
                    })
                    .collect();
                let Some(wanted) = wanted(&chosen, &quantities) else {
                    continue;
                };
                let id = PackedIds::pack(&listed.ids);
                let id = id.as_str().to_owned();
                let (shown, refused) = self.shop(connection, |shop| {
                    let refused = shop.refused.contains(&(id.clone(), wanted));
                    (shop.shown.get(&id).copied(), refused)
                });
                let parked = sku.parse().ok().and_then(|sku| {
                    tables
                        .parked
                        .get(&(connection.as_str().to_owned(), sku))
                        .cloned()
                });
                match parked {
                    Some(_) if shown == Some(wanted) => {
                        wrong.push(format!("{connection} {sku} is parked and shows {wanted}"));
                    }
                    Some(_) if refused => {}
                    Some(parked) => wrong.push(format!(
                        "{connection} {sku} is parked but was not refused: {parked:?}"
                    )),
                    None if shown == Some(wanted) => {}
                    None => wrong.push(format!(
                        "{connection} {sku} ({id}) shows {shown:?}, wanted {wanted}"
                    )),
                }
            }
        }
    }

    /// Every lane runs once, and has nothing left to do.
    fn judge_lanes(&self, wrong: &mut Vec<String>) {
        let publishers = self.publishers();
        let tables = self.tables();
        for connection in self.connections() {
            let looks = publishers.iter().filter_map(|(process, publisher)| {
                let look = publisher.lane(&connection)?;
                look.epoch.map(|_| (*process, look))
            });
            let looks: Vec<_> = looks.collect();
            if looks.len() != 1 {
                wrong.push(format!("{connection} runs {} times", looks.len()));
            }
            for (process, look) in looks {
                if look.counts.dirty > 0 || look.closed.is_some() {
                    wrong.push(format!("{connection} in {process:?}: {look:?}"));
                }
                let of = connection.as_str();
                let parked = tables.parked.keys().filter(|(parked, _)| parked == of);
                let (parked, kept) = (parked.count(), look.counts.parked);
                if parked != kept {
                    wrong.push(format!("{connection}: {kept} parked, {parked} in SQL"));
                }
            }
        }
        let registry = self.registry();
        for (connection, sku, kind) in tables.doubts.keys() {
            let connection = connection.parse().ok();
            let listed = connection.and_then(|id: ConnectionId| registry.listed.get(&id));
            let listed = listed.and_then(|of| of.get(sku.as_str()));
            if listed.is_some_and(|listed| !listed.blocked) {
                wrong.push(format!("a doubt is left: {sku} {kind:?}"));
            }
        }
    }

    /// No minute holds more requests than a store allows.
    pub(super) fn judge_pace(&self, wrong: &mut Vec<String>) {
        let registry = self.registry();
        let judge = self.judge();
        for (connection, sent) in &judge.sent {
            let record = registry.records.get(connection);
            let budget = record.and_then(|record| record.settings.requests_per_minute);
            let Some(budget) = budget.and_then(|budget| usize::try_from(budget).ok()) else {
                continue;
            };
            for (place, first) in sent.iter().enumerate() {
                let within = sent[place..].iter().take_while(|at| **at < first + MINUTE);
                let within = within.count();
                if within > budget {
                    wrong.push(format!(
                        "{connection}: {within} requests in a minute of {budget}"
                    ));
                    break;
                }
            }
        }
    }
}
