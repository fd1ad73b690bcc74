//! Parked items as others see them.

use storelink_events::rpc::{Page, PageQuestion, Parked};
use storelink_model::{ConnectionId, Sku, TenantId, Timestamp};
use storelink_persistence::{DbError, Row, args};

use super::outside;
use super::questions::{MOST, Questions, cut};

/// A parked item that nobody was told of.
pub(crate) struct Announcement {
    pub(crate) tenant: TenantId,
    pub(crate) parked: Parked,
}

const PARKED: &str = "SELECT id, tenant, connection, sku, code, reason, since FROM parked \
     WHERE tenant = $1 AND ($2 = '' OR connection = $2) AND id > $3 ORDER BY id LIMIT $4";

impl Questions {
    /// A page of the parked items of a tenant, oldest first.
    pub(crate) async fn parked(&self, question: &PageQuestion) -> Result<Page<Parked>, DbError> {
        let limit = question.limit.clamp(1, MOST);
        let connection = question.connection.as_ref().map_or("", |id| id.as_str());
        let after = question.after.as_deref().unwrap_or_default();
        let tenant = question.tenant.as_str();
        let rows = self
            .db
            .fetch_all(PARKED, args![tenant, connection, after, limit + 1])
            .await?;
        let mut items = Vec::new();
        for row in &rows {
            items.push(self.parked_item(row)?);
        }
        let next = cut(&mut items, limit, |last| last.id.clone());
        Ok(Page { items, next })
    }

    /// The parked item of one article.
    pub(crate) async fn parked_sku(
        &self,
        connection: &ConnectionId,
        sku: &Sku,
    ) -> Result<Option<Parked>, DbError> {
        let row = self
            .db
            .fetch_optional(
                "SELECT id, tenant, connection, sku, code, reason, since FROM parked \
                 WHERE connection = $1 AND sku = $2",
                args![connection.as_str(), sku.as_str()],
            )
            .await?;
        row.as_ref().map(|row| self.parked_item(row)).transpose()
    }

    /// Makes it lasting that a parked item is tried again; false when there is none.
    pub(crate) async fn retry_parked(
        &self,
        tenant: &TenantId,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        outside::retry(&self.db, tenant, id, now).await
    }

    /// Parked items of which no event tells yet.
    pub(crate) async fn unannounced(&self) -> Result<Vec<Announcement>, DbError> {
        let rows = self
            .db
            .fetch_all(
                "SELECT id, tenant, connection, sku, code, reason, since FROM parked \
                 WHERE NOT announced ORDER BY id LIMIT $1",
                args![MOST],
            )
            .await?;
        let mut items = Vec::new();
        for row in &rows {
            if let Ok(tenant) = row.text("tenant")?.parse() {
                items.push(Announcement {
                    tenant,
                    parked: self.parked_item(row)?,
                });
            }
        }
        Ok(items)
    }

    /// The event that tells of it is published, unless the item changed meanwhile.
    pub(crate) async fn announced(&self, parked: &Parked) -> Result<(), DbError> {
        self.db
            .execute(
                "UPDATE parked SET announced = TRUE WHERE id = $1 AND code = $2 AND reason = $3",
                args![
                    parked.id.as_str(),
                    parked.code.as_str(),
                    parked.text.as_str()
                ],
            )
            .await
            .map(drop)
    }

    fn parked_item(&self, row: &Row) -> Result<Parked, DbError> {
        Ok(Parked {
            id: row.text("id")?,
            connection: row.text("connection")?.parse().ok(),
            entity: self.entity.to_owned(),
            sku: row.text("sku")?.parse().ok(),
            external_id: None,
            code: row.text("code")?,
            text: row.text("reason")?,
            since: Timestamp::from_micros(row.int("since")?),
        })
    }
}
