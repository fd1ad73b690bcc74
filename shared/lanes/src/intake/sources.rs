//! By what the values of each source are ordered, fixed at first use.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use storelink_model::{TenantId, Timestamp, VersionOrder};
use storelink_persistence::{Database, DbError, args};

type Key = (TenantId, String);

/// The orders of all sources, remembered because they never change while a process runs.
#[derive(Debug, Default)]
pub(crate) struct SourceOrders(Mutex<HashMap<Key, VersionOrder>>);

impl SourceOrders {
    /// The orders of these sources. One that is new is fixed to what its first values suggest; if
    /// another replica was faster, its word counts.
    pub(crate) async fn fix(
        &self,
        db: &Database,
        suggested: BTreeMap<Key, VersionOrder>,
    ) -> Result<HashMap<Key, VersionOrder>, DbError> {
        let unknown: Vec<_> = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            suggested
                .iter()
                .filter(|(key, _)| !known.contains_key(*key))
                .collect()
        };
        if !unknown.is_empty() {
            let now = Timestamp::now().micros();
            let rows = unknown.iter().map(|((tenant, source), order)| {
                args![tenant.as_str(), source.as_str(), to_text(**order), now]
            });
            db.execute_values(
                "INSERT INTO sources (tenant, source, version_order, first_seen) VALUES",
                "ON CONFLICT (tenant, source) DO NOTHING",
                rows.collect(),
            )
            .await?;
            let rows = unknown
                .iter()
                .map(|((tenant, source), _)| args![tenant.as_str(), source.as_str()]);
            let rows = db
                .fetch_values(
                    "WITH wanted (tenant, source) AS (VALUES",
                    ") SELECT s.tenant, s.source, s.version_order FROM sources s \
                     JOIN wanted w ON w.tenant = s.tenant AND w.source = s.source",
                    rows.collect(),
                )
                .await?;
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                let Ok(tenant) = row.text("tenant")?.parse() else {
                    continue;
                };
                let order = from_text(&row.text("version_order")?);
                known.insert((tenant, row.text("source")?), order);
            }
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = suggested.into_keys().filter_map(|key| {
            let order = *known.get(&key)?;
            Some((key, order))
        });
        Ok(orders.collect())
    }
}

pub(crate) fn to_text(order: VersionOrder) -> &'static str {
    match order {
        VersionOrder::Revision => "revision",
        VersionOrder::Time => "time",
    }
}

pub(crate) fn from_text(text: &str) -> VersionOrder {
    if text == "time" {
        VersionOrder::Time
    } else {
        VersionOrder::Revision
    }
}
