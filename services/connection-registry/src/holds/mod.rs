//! Holds: quantities that are kept back from what is published, until somebody cancels them or their
//! time is over.

mod publication;

use storelink_events::hold;
use storelink_model::{ConnectionId, Quantity, Sku, TenantId, Timestamp};
use storelink_persistence::{Database, DbError, Row, Transaction, args};
use time::Duration;

use crate::{clock, ids};

pub(crate) use publication::run;

/// Holds of one SKU at the same time: all of them together have to fit into one message.
pub(crate) const MOST_PER_SKU: i64 = 100;
/// How long a hold is kept that is over.
const KEPT: Duration = Duration::days(1);
/// Holds that are forgotten in one transaction.
const AT_ONCE: i64 = 500;

/// A hold's row.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) id: String,
    pub(crate) sku: Sku,
    pub(crate) quantity: Quantity,
    /// All of the tenant when empty.
    pub(crate) connections: Vec<ConnectionId>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) reason: Option<String>,
    pub(crate) created: Timestamp,
}

impl Hold {
    /// What it was or is, for the audit log.
    pub(crate) fn audit_text(&self) -> String {
        let until = self.until.map(|until| until.to_string());
        let connections: Vec<&str> = self.connections.iter().map(|id| id.as_str()).collect();
        format!(
            "{} {} {connections:?} {until:?} {:?}",
            self.sku, self.quantity, self.reason
        )
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.text("id")?,
            sku: row.text("sku")?.parse().map_err(|_| column("sku"))?,
            quantity: row
                .text("quantity")?
                .parse()
                .map_err(|_| column("quantity"))?,
            connections: serde_json::from_str(&row.text("connections")?)
                .map_err(|_| column("connections"))?,
            until: clock::opt_time(row, "ends")?,
            reason: row.opt_text("reason")?,
            created: clock::time(row, "created")?,
        })
    }
}

impl From<Hold> for hold::Hold {
    fn from(hold: Hold) -> Self {
        Self {
            id: hold.id,
            quantity: hold.quantity,
            connections: hold.connections,
            until: hold.until,
        }
    }
}

/// What a new hold is to be.
#[derive(Debug)]
pub(crate) struct NewHold {
    pub(crate) sku: Sku,
    pub(crate) quantity: Quantity,
    pub(crate) connections: Vec<ConnectionId>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) reason: Option<String>,
}

/// Adds a hold; none when its SKU has as many as it can have.
pub(crate) async fn add(
    transaction: &mut Transaction,
    tenant: &TenantId,
    new: NewHold,
) -> Result<Option<Hold>, DbError> {
    let created = Timestamp::now();
    // First, since it keeps others from adding at the same time.
    revise(transaction, tenant, new.sku.as_str()).await?;
    let there = transaction
        .fetch_one(
            "SELECT COUNT(*) AS holds FROM holds
             WHERE tenant = $1 AND sku = $2 AND (ends IS NULL OR ends > $3)",
            args![tenant.as_str(), new.sku.as_str(), created.micros()],
        )
        .await?
        .int("holds")?;
    if there >= MOST_PER_SKU {
        return Ok(None);
    }
    let hold = Hold {
        id: ids::generate("hld"),
        sku: new.sku,
        quantity: new.quantity,
        connections: new.connections,
        until: new.until,
        reason: new.reason,
        created,
    };
    transaction
        .execute(
            "INSERT INTO holds (id, tenant, sku, quantity, connections, ends, reason, created)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            args![
                &hold.id,
                tenant.as_str(),
                hold.sku.as_str(),
                hold.quantity.to_string(),
                serde_json::to_string(&hold.connections).unwrap_or_default(),
                hold.until.map(Timestamp::micros),
                hold.reason.as_deref(),
                created.micros(),
            ],
        )
        .await?;
    Ok(Some(hold))
}

/// Removes a tenant's hold and gives what it was; none when there is no such hold.
pub(crate) async fn remove(
    transaction: &mut Transaction,
    tenant: &TenantId,
    id: &str,
) -> Result<Option<Hold>, DbError> {
    let removed = transaction
        .fetch_optional(
            "DELETE FROM holds WHERE tenant = $1 AND id = $2 RETURNING *",
            args![tenant.as_str(), id],
        )
        .await?;
    let Some(row) = removed else { return Ok(None) };
    let hold = Hold::from_row(&row)?;
    revise(transaction, tenant, hold.sku.as_str()).await?;
    Ok(Some(hold))
}

/// One page of a tenant's holds that count now, oldest first; of one SKU when it is given.
pub(crate) async fn list(
    database: &Database,
    tenant: &TenantId,
    sku: Option<&Sku>,
    after: &str,
    limit: i64,
) -> Result<Vec<Hold>, DbError> {
    let sku = sku.map_or("", Sku::as_str);
    let rows = database
        .fetch_all(
            "SELECT * FROM holds WHERE tenant = $1 AND ($2 = '' OR sku = $2) AND id > $3
             AND (ends IS NULL OR ends > $4) ORDER BY id LIMIT $5",
            args![
                tenant.as_str(),
                sku,
                after,
                Timestamp::now().micros(),
                limit
            ],
        )
        .await?;
    rows.iter().map(Hold::from_row).collect()
}

/// Forgets holds that are over since a day: publishers stopped counting them by themselves.
pub(crate) async fn forget_old(database: &Database) -> Result<(), DbError> {
    let before = Timestamp::now().saturating_sub(KEPT).micros();
    loop {
        let mut transaction = database.begin().await?;
        let gone = transaction
            .fetch_all(
                "DELETE FROM holds WHERE id IN (SELECT id FROM holds WHERE ends < $1
                 ORDER BY tenant, sku LIMIT $2) RETURNING tenant, sku",
                args![before, AT_ONCE],
            )
            .await?;
        let mut skus = std::collections::BTreeSet::new();
        for row in &gone {
            skus.insert((row.text("tenant")?, row.text("sku")?));
        }
        for (tenant, sku) in &skus {
            let tenant = tenant.parse().map_err(|_| column("tenant"))?;
            revise(&mut transaction, &tenant, sku).await?;
        }
        transaction.commit().await?;
        if skus.is_empty() {
            return Ok(());
        }
    }
}

/// The holds of a SKU are other ones: its record is to be published again.
async fn revise(
    transaction: &mut Transaction,
    tenant: &TenantId,
    sku: &str,
) -> Result<(), DbError> {
    transaction
        .execute(
            "INSERT INTO held_skus (tenant, sku, revision, published) VALUES ($1, $2, 1, 0)
             ON CONFLICT (tenant, sku) DO UPDATE SET revision = held_skus.revision + 1",
            args![tenant.as_str(), sku],
        )
        .await
        .map(drop)
}

fn column(name: &str) -> DbError {
    DbError::Column {
        column: name.to_owned(),
        problem: "holds no valid value".to_owned(),
    }
}
