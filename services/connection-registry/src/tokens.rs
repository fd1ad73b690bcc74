//! Tokens of API callers: 256 random bits, kept as a hash only.

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use storelink_model::{TenantId, Timestamp};
use storelink_persistence::{Database, DbError, Row, Transaction, args};
use time::Duration;

use crate::access::Role;
use crate::{clock, ids};

const PREFIX: &str = "slk_";
/// The time of the last use is noted this coarsely: a write per request would cost more.
const LAST_USED_EVERY: Duration = Duration::minutes(1);

/// A token that was just made. Its text is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewToken {
    /// Its id, for revoking it.
    pub id: String,
    /// The text that callers send.
    pub token: SecretString,
}

/// What is known of a token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) tenant: TenantId,
    pub(crate) role: Role,
    pub(crate) label: String,
    pub(crate) created: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) last_used: Option<Timestamp>,
    pub(crate) revoked: Option<Timestamp>,
}

/// No token can be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    NoRandomness(String),
    /// The database refuses.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// What a new token is for.
#[derive(Debug, Clone)]
pub struct TokenPurpose {
    /// Whose data it opens.
    pub tenant: TenantId,
    /// What it may do.
    pub role: Role,
    /// What people call it.
    pub label: String,
    /// When it ends by itself; never when none.
    pub expires: Option<Timestamp>,
}

/// Makes a token inside a transaction; it counts from the commit on.
pub(crate) async fn create(
    transaction: &mut Transaction,
    purpose: &TokenPurpose,
) -> Result<NewToken, TokenError> {
    let mut random = [0_u8; 32];
    OsRng
        .try_fill_bytes(&mut random)
        .map_err(|error| TokenError::NoRandomness(error.to_string()))?;
    let token = SecretString::from(format!("{PREFIX}{}", hexadecimal(&random)));
    let id = ids::generate("tok");
    transaction
        .execute(
            "INSERT INTO tokens (id, tenant, hash, role, label, created, expires)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![
                &id,
                purpose.tenant.as_str(),
                hash(token.expose_secret()),
                purpose.role.as_str(),
                &purpose.label,
                Timestamp::now().micros(),
                purpose.expires.map(Timestamp::micros),
            ],
        )
        .await?;
    Ok(NewToken { id, token })
}

/// The token with this text, whatever its state.
pub(crate) async fn find(database: &Database, text: &str) -> Result<Option<Token>, DbError> {
    if text.len() != PREFIX.len() + 64 || !text.starts_with(PREFIX) {
        return Ok(None);
    }
    // Looked up by its hash: how long that takes tells nothing about the token.
    let found = database
        .fetch_optional("SELECT * FROM tokens WHERE hash = $1", args![hash(text)])
        .await?;
    found.as_ref().map(Token::from_row).transpose()
}

/// One page of a tenant's tokens, oldest first.
pub(crate) async fn list(
    database: &Database,
    tenant: &TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<Token>, DbError> {
    database
        .fetch_all(
            "SELECT * FROM tokens WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
            args![tenant.as_str(), after, limit],
        )
        .await?
        .iter()
        .map(Token::from_row)
        .collect()
}

/// A tenant's token by id.
pub(crate) async fn get(
    transaction: &mut Transaction,
    tenant: &TenantId,
    id: &str,
) -> Result<Option<Token>, DbError> {
    transaction
        .fetch_optional(
            "SELECT * FROM tokens WHERE tenant = $1 AND id = $2",
            args![tenant.as_str(), id],
        )
        .await?
        .as_ref()
        .map(Token::from_row)
        .transpose()
}

/// How many tokens of administrators of this tenant count now, `except` apart.
pub(crate) async fn other_admins(
    transaction: &mut Transaction,
    tenant: &TenantId,
    except: &str,
) -> Result<i64, DbError> {
    transaction
        .fetch_one(
            "SELECT COUNT(*) AS others FROM tokens
             WHERE tenant = $1 AND id <> $2 AND role = 'admin' AND revoked IS NULL
               AND (expires IS NULL OR expires > $3)",
            args![tenant.as_str(), except, Timestamp::now().micros()],
        )
        .await?
        .int("others")
}

/// Ends a token.
pub(crate) async fn revoke(transaction: &mut Transaction, id: &str) -> Result<(), DbError> {
    transaction
        .execute(
            "UPDATE tokens SET revoked = $2 WHERE id = $1 AND revoked IS NULL",
            args![id, Timestamp::now().micros()],
        )
        .await
        .map(drop)
}

/// Notes that a token was used.
pub(crate) async fn note_use(database: &Database, token: &Token) -> Result<(), DbError> {
    let now = Timestamp::now();
    if token
        .last_used
        .is_some_and(|last| now.since(last) < LAST_USED_EVERY)
    {
        return Ok(());
    }
    database
        .execute(
            "UPDATE tokens SET last_used = $2 WHERE id = $1",
            args![&token.id, now.micros()],
        )
        .await
        .map(drop)
}

impl Token {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let tenant = row.text("tenant")?;
        let role = row.text("role")?;
        Ok(Self {
            id: row.text("id")?,
            tenant: tenant.parse().map_err(|_| column("tenant"))?,
            role: role.parse().map_err(|_| column("role"))?,
            label: row.text("label")?,
            created: clock::time(row, "created")?,
            expires: clock::opt_time(row, "expires")?,
            last_used: clock::opt_time(row, "last_used")?,
            revoked: clock::opt_time(row, "revoked")?,
        })
    }

    /// Whether its time is over.
    pub(crate) fn has_expired(&self) -> bool {
        self.expires
            .is_some_and(|expires| expires <= Timestamp::now())
    }
}

fn column(name: &str) -> DbError {
    DbError::Column {
        column: name.to_owned(),
        problem: "holds no valid value".to_owned(),
    }
}

fn hash(token: &str) -> String {
    hexadecimal(&Sha256::digest(token.as_bytes()))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
