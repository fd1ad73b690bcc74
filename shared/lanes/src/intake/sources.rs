//! By what the values of each source are ordered, fixed at first use.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use storelink_model::{TenantId, Timestamp, VersionOrder};
use storelink_persistence::{Database, DbError, args};

/// Whose source, and which.
pub type SourceKey = (TenantId, String);

/// Where it stands by what the values of each source are ordered. A call that fails may have had its
/// effect.
#[async_trait]
pub trait SourceRows: Send + Sync {
    /// Fixes the orders of sources that have none yet, and gives those that all of them have then.
    async fn fix(
        &self,
        suggested: &BTreeMap<SourceKey, VersionOrder>,
    ) -> Result<BTreeMap<SourceKey, VersionOrder>, DbError>;
}

/// The orders of all sources, remembered because they never change while a process runs.
pub(crate) struct SourceOrders {
    rows: Arc<dyn SourceRows>,
    known: Mutex<HashMap<SourceKey, VersionOrder>>,
}

impl SourceOrders {
    pub(crate) fn new(rows: Arc<dyn SourceRows>) -> Self {
        let known = Mutex::default();
        Self { rows, known }
    }

    /// The orders of these sources. One that is new is fixed to what its first values suggest; if
    /// another replica was faster, its word counts.
    pub(crate) async fn fix(
        &self,
        suggested: BTreeMap<SourceKey, VersionOrder>,
    ) -> Result<HashMap<SourceKey, VersionOrder>, DbError> {
        let unknown: BTreeMap<_, _> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let suggested = suggested.iter();
            suggested
                .filter(|(key, _)| !known.contains_key(*key))
                .map(|(key, order)| (key.clone(), *order))
                .collect()
        };
        if !unknown.is_empty() {
            let fixed = self.rows.fix(&unknown).await?;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(fixed);
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = suggested.into_keys().filter_map(|key| {
            let order = *known.get(&key)?;
            Some((key, order))
        });
        Ok(orders.collect())
    }
}

#[async_trait]
impl SourceRows for Database {
    async fn fix(
        &self,
        suggested: &BTreeMap<SourceKey, VersionOrder>,
    ) -> Result<BTreeMap<SourceKey, VersionOrder>, DbError> {
        let now = Timestamp::now().micros();
        let rows = suggested.iter().map(|((tenant, source), order)| {
            args![tenant.as_str(), source.as_str(), to_text(*order), now]
        });
        self.execute_values(
            "INSERT INTO sources (tenant, source, version_order, first_seen) VALUES",
            "ON CONFLICT (tenant, source) DO NOTHING",
            rows.collect(),
        )
        .await?;
        let rows = suggested
            .keys()
            .map(|(tenant, source)| args![tenant.as_str(), source.as_str()]);
        let rows = self
            .fetch_values(
                "WITH wanted (tenant, source) AS (VALUES",
                ") SELECT s.tenant, s.source, s.version_order FROM sources s \
                 JOIN wanted w ON w.tenant = s.tenant AND w.source = s.source",
                rows.collect(),
            )
            .await?;
        let mut fixed = BTreeMap::new();
        for row in rows {
            let Ok(tenant) = row.text("tenant")?.parse() else {
                continue;
            };
            let order = from_text(&row.text("version_order")?);
            fixed.insert((tenant, row.text("source")?), order);
        }
        Ok(fixed)
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
