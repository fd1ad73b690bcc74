//! Who changed what: one row for each change, with hashes of before and after instead of values.

use sha2::{Digest as _, Sha256};
use storelink_model::{TenantId, Timestamp};
use storelink_persistence::{Database, DbError, Row, Transaction, args};

use crate::{clock, ids, tokens};

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) happened: Timestamp,
    pub(crate) action: String,
    pub(crate) object: String,
    pub(crate) before_hash: Option<String>,
    pub(crate) after_hash: Option<String>,
}

/// Who acts: a token of a tenant, or a command on the machine itself.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) tenant: TenantId,
    pub(crate) token: String,
}

/// Notes a change inside the transaction that makes it. `before` and `after` are what the object
/// was and is; their hashes show whether two states were the same.
pub(crate) async fn note(
    transaction: &mut Transaction,
    actor: &Actor,
    action: &str,
    object: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<(), DbError> {
    transaction
        .execute(
            "INSERT INTO audit (id, tenant, token, happened, action, object, before_hash, after_hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            args![
                ids::generate("aud"),
                actor.tenant.as_str(),
                &actor.token,
                Timestamp::now().micros(),
                action,
                object,
                before.map(hash),
                after.map(hash),
            ],
        )
        .await
        .map(drop)
}

/// One page, newest first.
pub(crate) async fn list(
    database: &Database,
    tenant: &TenantId,
    before: &str,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    database
        .fetch_all(
            "SELECT * FROM audit WHERE tenant = $1 AND ($2 = '' OR id < $2)
             ORDER BY id DESC LIMIT $3",
            args![tenant.as_str(), before, limit],
        )
        .await?
        .iter()
        .map(Entry::from_row)
        .collect()
}

impl Entry {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.text("id")?,
            token: row.text("token")?,
            happened: clock::time(row, "happened")?,
            action: row.text("action")?,
            object: row.text("object")?,
            before_hash: row.opt_text("before_hash")?,
            after_hash: row.opt_text("after_hash")?,
        })
    }
}

fn hash(state: &str) -> String {
    tokens::hexadecimal(&Sha256::digest(state.as_bytes()))
}
