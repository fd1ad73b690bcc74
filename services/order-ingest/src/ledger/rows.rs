//! The rows of the ledger: locked, read and written for a whole batch at once.

use storelink_model::{ConnectionId, OrderId, TenantId, Timestamp};
use storelink_order::{Order, SumCheck};
use storelink_persistence::{Arg, DbError, Row, Transaction, args};

use super::codes::KnownCodes;
use super::entry::{Entry, Park};
use super::{Arrival, Entries};
use crate::IngestError;
use crate::announcement::Announced;
use crate::revision::Known;

/// What a transaction adds to the ledger beside the orders themselves.
#[derive(Debug, Default)]
pub struct Writes {
    /// New contents.
    pub revisions: Vec<NewRevision>,
    /// What is to be told.
    pub events: Vec<NewEvent>,
}

/// A row of `revisions`.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct NewRevision {
    pub order: OrderId,
    pub revision: i64,
    pub content: String,
    pub read_number: i64,
    pub read_at: i64,
    pub raw: String,
    pub normalised: Option<String>,
    pub sum: Option<String>,
    pub trace: Option<String>,
    pub stored_at: i64,
}

impl NewRevision {
    pub(super) fn of(
        order: &OrderId,
        revision: i64,
        arrival: &Arrival,
        order_kept: Option<&Order>,
        sum: Option<&SumCheck>,
        now: Timestamp,
    ) -> Result<Self, IngestError> {
        let read = &arrival.read;
        let normalised = order_kept.map(serde_json::to_string).transpose();
        let sum = sum.map(serde_json::to_string).transpose();
        Ok(Self {
            order: order.clone(),
            revision,
            content: arrival.content.as_str().to_owned(),
            read_number: read.read_number,
            read_at: read.read_at.micros(),
            raw: read.raw.get().to_owned(),
            normalised: normalised.map_err(IngestError::encode("an order"))?,
            sum: sum.map_err(IngestError::encode("a sum"))?,
            trace: arrival.trace.clone(),
            stored_at: now.micros(),
        })
    }
}

/// A row of `outbox`.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct NewEvent {
    pub id: String,
    pub kind: &'static str,
    pub tenant: TenantId,
    pub connection: ConnectionId,
    pub chain: String,
    pub position: i64,
    pub subject: String,
    pub payload: String,
    pub trace: Option<String>,
    pub created: i64,
}

/// Makes the rows of orders that are new, and locks all of them. An upsert is the lock that both
/// back ends have: on PostgreSQL it waits for another replica's transaction and then gives what that
/// one wrote.
pub(super) async fn lock(
    transaction: &mut Transaction,
    arrivals: &[Arrival],
    now: Timestamp,
) -> Result<Entries, IngestError> {
    let mut keyed: Vec<_> = arrivals
        .iter()
        .map(|arrival| (arrival.key(), arrival))
        .collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    keyed.dedup_by(|(later, _), (earlier, _)| later == earlier);
    let at = now.micros();
    let rows = keyed
        .into_iter()
        .map(|(_, arrival)| {
            let read = &arrival.read;
            args![
                OrderId::generate().as_str(),
                read.tenant.as_str(),
                read.connection.as_str(),
                read.platform.as_str(),
                &read.external_id,
                0_i64,
                0_i64,
                "",
                0_i64,
                0_i64,
                at,
                at,
                at,
            ]
        })
        .collect();
    let locked = transaction
        .fetch_values(
            "INSERT INTO orders (id, tenant, connection, platform, external_id, read_number, \
             read_at, content_hash, revision, announced_revision, first_seen, changed, locked) \
             VALUES",
            "ON CONFLICT (connection, external_id) DO UPDATE SET locked = excluded.locked \
             RETURNING *",
            rows,
        )
        .await?;
    let mut entries = Entries::new();
    for row in &locked {
        let entry = entry(row)?;
        entries.insert(
            (entry.connection.to_string(), entry.external_id.clone()),
            entry,
        );
    }
    add_parked(transaction, &mut entries).await?;
    Ok(entries)
}

/// Locks one order by its id; none when there is no such order of this tenant.
pub(super) async fn lock_one(
    transaction: &mut Transaction,
    tenant: &TenantId,
    order: &OrderId,
) -> Result<Option<Entry>, IngestError> {
    let row = transaction
        .fetch_optional(
            "UPDATE orders SET locked = $3 WHERE tenant = $1 AND id = $2 RETURNING *",
            args![tenant.as_str(), order.as_str(), Timestamp::now().micros()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let entry = entry(&row)?;
    let mut entries = Entries::from([((String::new(), String::new()), entry)]);
    add_parked(transaction, &mut entries).await?;
    Ok(entries.into_values().next())
}

async fn add_parked(
    transaction: &mut Transaction,
    entries: &mut Entries,
) -> Result<(), IngestError> {
    let wanted = entries
        .values()
        .map(|entry| args![entry.id.as_str()])
        .collect();
    let found = transaction
        .fetch_values(
            "WITH wanted(order_id) AS (VALUES",
            ") SELECT p.* FROM parked p JOIN wanted ON wanted.order_id = p.order_id",
            wanted,
        )
        .await?;
    for row in &found {
        let id = row.text("order_id")?;
        let park = Park {
            revision: row.int("revision")?,
            code: row.text("code")?,
            text: row.text("text")?,
            since: row.int("since")?,
        };
        if let Some(entry) = entries.values_mut().find(|entry| entry.id.as_str() == id) {
            entry.parked_before = Some(park.clone());
            entry.parked = Some(park);
        }
    }
    Ok(())
}

fn entry(row: &Row) -> Result<Entry, IngestError> {
    let revision = row.int("revision")?;
    let known = Known {
        read_number: row.int("read_number")?,
        content: row.text("content_hash")?,
        revision,
    };
    let announced = match (
        row.int("announced_revision")?,
        row.opt_text("announced_state")?,
    ) {
        (revision @ 1.., Some(state)) => {
            let refunded = row.opt_text("announced_refunded")?.unwrap_or_default();
            let refunded = refunded
                .parse()
                .map_err(IngestError::stored("a refunded amount"))?;
            Some(Announced {
                revision,
                state,
                refunded,
            })
        }
        _ => None,
    };
    Ok(Entry {
        id: row
            .text("id")?
            .parse()
            .map_err(IngestError::stored("an order's id"))?,
        tenant: row
            .text("tenant")?
            .parse()
            .map_err(IngestError::stored("a tenant"))?,
        connection: row
            .text("connection")?
            .parse()
            .map_err(IngestError::stored("a connection"))?,
        platform: row
            .text("platform")?
            .parse()
            .map_err(IngestError::stored("a platform"))?,
        external_id: row.text("external_id")?,
        known: (revision > 0).then_some(known),
        read_at: row.int("read_at")?,
        number: row.opt_text("number")?,
        state: row.opt_text("state")?,
        total: row.opt_text("total")?,
        announced,
        changed: row.int("changed")?,
        parked: None,
        parked_before: None,
        codes: KnownCodes::default(),
        dirty: false,
    })
}

/// Writes what was decided.
pub(super) async fn save(
    transaction: &mut Transaction,
    entries: impl Iterator<Item = Entry>,
    writes: Writes,
) -> Result<(), DbError> {
    let (mut orders, mut parked, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        if entry.parked != entry.parked_before {
            match &entry.parked {
                Some(park) => parked.push(parked_row(&entry, park)),
                None => closed.push(args![entry.id.as_str()]),
            }
        }
        if entry.dirty {
            orders.push(order_row(entry));
        }
    }
    transaction
        .execute_values(
            "WITH v(id, read_number, read_at, content_hash, revision, number, state, total, \
             announced_revision, announced_state, announced_refunded, changed) AS (VALUES",
            ") UPDATE orders SET read_number = v.read_number, read_at = v.read_at, \
             content_hash = v.content_hash, revision = v.revision, number = v.number, \
             state = v.state, total = v.total, announced_revision = v.announced_revision, \
             announced_state = v.announced_state, announced_refunded = v.announced_refunded, \
             changed = v.changed FROM v WHERE orders.id = v.id",
            orders,
        )
        .await?;
    transaction
        .execute_values(
            "INSERT INTO revisions (order_id, revision, content_hash, read_number, read_at, raw, \
             normalised, sum_check, traceparent, stored_at) VALUES",
            "",
            writes.revisions.into_iter().map(revision_row).collect(),
        )
        .await?;
    transaction
        .execute_values(
            "INSERT INTO parked (order_id, tenant, connection, external_id, revision, code, text, \
             since) VALUES",
            "ON CONFLICT (order_id) DO UPDATE SET revision = excluded.revision, \
             code = excluded.code, text = excluded.text",
            parked,
        )
        .await?;
    transaction
        .execute_values(
            "WITH v(order_id) AS (VALUES",
            ") DELETE FROM parked WHERE order_id IN (SELECT order_id FROM v)",
            closed,
        )
        .await?;
    transaction
        .execute_values(
            "INSERT INTO outbox (id, kind, tenant, connection, chain, position, subject, payload, \
             traceparent, created, due, attempts) VALUES",
            "",
            writes.events.into_iter().map(event_row).collect(),
        )
        .await?;
    Ok(())
}

fn revision_row(revision: NewRevision) -> Vec<Arg> {
    args![
        revision.order.as_str(),
        revision.revision,
        revision.content,
        revision.read_number,
        revision.read_at,
        revision.raw,
        revision.normalised,
        revision.sum,
        revision.trace,
        revision.stored_at,
    ]
}

fn order_row(entry: Entry) -> Vec<Arg> {
    let (read_number, content, revision) = match entry.known {
        Some(known) => (known.read_number, known.content, known.revision),
        None => (0, String::new(), 0),
    };
    let (announced, state, refunded) = match entry.announced {
        Some(said) => (
            said.revision,
            Some(said.state),
            Some(said.refunded.to_string()),
        ),
        None => (0, None, None),
    };
    args![
        entry.id.as_str(),
        read_number,
        entry.read_at,
        content,
        revision,
        entry.number,
        entry.state,
        entry.total,
        announced,
        state,
        refunded,
        entry.changed,
    ]
}

fn parked_row(entry: &Entry, park: &Park) -> Vec<Arg> {
    args![
        entry.id.as_str(),
        entry.tenant.as_str(),
        entry.connection.as_str(),
        &entry.external_id,
        park.revision,
        &park.code,
        &park.text,
        park.since,
    ]
}

fn event_row(event: NewEvent) -> Vec<Arg> {
    args![
        event.id,
        event.kind,
        event.tenant.as_str(),
        event.connection.as_str(),
        event.chain,
        event.position,
        event.subject,
        event.payload,
        event.trace,
        event.created,
        0_i64,
        0_i64,
    ]
}
