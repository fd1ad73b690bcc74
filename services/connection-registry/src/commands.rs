//! What the command line does directly on the database: tenants and tokens.

use storelink_model::TenantId;
use storelink_persistence::{Database, DbError};

use crate::audit::{self, Actor};
use crate::tenants;
use crate::tokens::{self, NewToken, TokenError, TokenPurpose};

/// Who the audit log names for commands.
const COMMAND_LINE: &str = "command-line";

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The tenant exists.
    #[error("there is a tenant `{0}` already")]
    TenantExists(TenantId),
    /// There is no such tenant.
    #[error("there is no tenant `{0}`: add it first with `storelink tenants add`")]
    UnknownTenant(TenantId),
    /// The label is empty or too long.
    #[error("a label must have 1 to 120 characters, none of them a control character")]
    Label,
    /// No token can be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The database refuses.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl CommandError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TenantExists(_) => "tenant.exists",
            Self::UnknownTenant(_) => "tenant.unknown",
            Self::Label => "token.label",
            Self::Token(_) => "token.not_made",
            Self::Database(error) => error.code(),
        }
    }
}

/// Adds a tenant. A running registry publishes its record within seconds.
///
/// # Errors
/// When there is one with this id, or the database refuses.
pub async fn add_tenant(database: &Database, tenant: &TenantId) -> Result<(), CommandError> {
    let mut transaction = database.begin().await?;
    if !tenants::add(&mut transaction, tenant).await? {
        return Err(CommandError::TenantExists(tenant.clone()));
    }
    let actor = command_line(tenant);
    audit::note(
        &mut transaction,
        &actor,
        "tenant.create",
        tenant.as_str(),
        None,
        Some("writing"),
    )
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// Makes a token. Its text is in the answer and nowhere else.
///
/// # Errors
/// When there is no such tenant, or the database refuses.
pub async fn add_token(
    database: &Database,
    purpose: &TokenPurpose,
) -> Result<NewToken, CommandError> {
    let length = purpose.label.chars().count();
    if !(1..=120).contains(&length) || purpose.label.chars().any(char::is_control) {
        return Err(CommandError::Label);
    }
    if tenants::get(database, &purpose.tenant).await?.is_none() {
        return Err(CommandError::UnknownTenant(purpose.tenant.clone()));
    }
    let mut transaction = database.begin().await?;
    let made = tokens::create(&mut transaction, purpose).await?;
    let (actor, role) = (command_line(&purpose.tenant), purpose.role.as_str());
    audit::note(
        &mut transaction,
        &actor,
        "token.create",
        &made.id,
        None,
        Some(role),
    )
    .await?;
    transaction.commit().await?;
    Ok(made)
}

/// All tenants.
///
/// # Errors
/// When the database refuses.
pub async fn list_tenants(database: &Database) -> Result<Vec<TenantId>, CommandError> {
    Ok(tenants::all(database)
        .await?
        .into_iter()
        .map(|tenant| tenant.id)
        .collect())
}

fn command_line(tenant: &TenantId) -> Actor {
    Actor {
        tenant: tenant.clone(),
        token: COMMAND_LINE.to_owned(),
    }
}
