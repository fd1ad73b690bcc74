//! Looking again at an order that is held because of its amounts.

use storelink_model::{ConnectionId, OrderId, Platform, TenantId, Timestamp};
use storelink_order::Order;
use storelink_persistence::{Database, args};

use super::Ledger;
use super::rows::{self, Writes};
use crate::IngestError;
use crate::assessment::{ROUNDING_HELD, SUM_DIFFERS};

/// A parked order that was looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reassessed {
    pub(crate) connection: ConnectionId,
    pub(crate) platform: Platform,
    pub(crate) external_id: String,
    /// Whether it goes on now.
    pub(crate) released: bool,
}

/// The orders of a ledger that are held. Clones share it.
#[derive(Clone)]
pub(crate) struct HeldOrders {
    database: Database,
    ledger: Ledger,
}

impl HeldOrders {
    /// Those of the ledger in this database.
    pub(crate) fn new(database: Database, ledger: Ledger) -> Self {
        Self { database, ledger }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Looks again at a parked order with the settings of now: one that is held because of its
    /// amounts goes on when they allow it. None when no such order is parked.
    pub(crate) async fn reassess(
        &self,
        tenant: &TenantId,
        order: &OrderId,
    ) -> Result<Option<Reassessed>, IngestError> {
        let mut transaction = self.database.begin().await?;
        let Some(mut entry) = rows::lock_one(&mut transaction, tenant, order).await? else {
            return Ok(None);
        };
        let Some(parked) = entry.parked.clone() else {
            return Ok(None);
        };
        let answer = Reassessed {
            connection: entry.connection.clone(),
            platform: entry.platform.clone(),
            external_id: entry.external_id.clone(),
            released: false,
        };
        let held = [ROUNDING_HELD, SUM_DIFFERS].contains(&parked.code.as_str());
        if !held || parked.revision != entry.revision() {
            return Ok(Some(answer));
        }
        let row = transaction
            .fetch_one(
                "SELECT normalised, traceparent FROM revisions \
                 WHERE order_id = $1 AND revision = $2",
                args![order.as_str(), parked.revision],
            )
            .await?;
        let Some(normalised) = row.opt_text("normalised")? else {
            return Ok(Some(answer));
        };
        let stored: Order =
            serde_json::from_str(&normalised).map_err(IngestError::stored("an order"))?;
        let trace = row.opt_text("traceparent")?;
        let rounding = self.rounding_of(&entry.connection);
        let mut writes = Writes::default();
        let sum = stored.check_sum();
        entry.go_on(
            &stored,
            sum,
            rounding,
            Timestamp::now(),
            trace.as_deref(),
            &mut writes,
        )?;
        let released = entry.parked.is_none();
        rows::save(&mut transaction, std::iter::once(entry), writes).await?;
        transaction.commit().await?;
        Ok(Some(Reassessed { released, ..answer }))
    }

    /// Orders held because of rounding, after this one, at most `limit`.
    pub(crate) async fn held_by_rounding(
        &self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(TenantId, ConnectionId, OrderId)>, IngestError> {
        let rows = self
            .database
            .fetch_all(
                "SELECT tenant, connection, order_id FROM parked \
                 WHERE code = $1 AND order_id > $2 ORDER BY order_id LIMIT $3",
                args![ROUNDING_HELD, after, limit],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let tenant = row.text("tenant")?.parse();
                let connection = row.text("connection")?.parse();
                let order = row.text("order_id")?.parse();
                Ok((
                    tenant.map_err(IngestError::stored("a tenant"))?,
                    connection.map_err(IngestError::stored("a connection"))?,
                    order.map_err(IngestError::stored("an order's id"))?,
                ))
            })
            .collect()
    }

    /// How a connection treats rounding now.
    pub(crate) fn rounding_of(
        &self,
        connection: &ConnectionId,
    ) -> storelink_events::connection::RoundingChoice {
        (self.ledger.rounding)(connection)
    }
}
