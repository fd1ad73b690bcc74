//! What has to be different in a database that comes from a backup, before any role works with it.
//!
//! Its values are older than what the stores show. So nothing is written to a store until a person
//! lets writes go on, and publishers are asked for their full state.

use storelink_events::hub::{ResyncEntity, ResyncRequested};
use storelink_events::{Envelope, subject};
use storelink_model::{TenantId, Timestamp};
use storelink_persistence::{Database, DbError, Transaction, args};
use storelink_vault::{Sealed, Vault, VaultError};

use crate::audit::{self, Actor};
use crate::{SERVICE, installation, outbox, tenants};

/// Who the audit log names.
const COMMAND_LINE: &str = "command-line";

/// A restored database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RestoredError {
    /// The vault's keys are not those that the backup was sealed with.
    #[error("{what} of the backup cannot be opened: {source}")]
    Key {
        /// What is sealed.
        what: String,
        /// Why it does not open.
        source: VaultError,
    },
    /// The database refuses.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl RestoredError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Key { .. } => "restore.vault_key",
            Self::Database(error) => error.code(),
        }
    }
}

/// Stops the writes of every tenant, notes the wish for the full state of its publishers, which is
/// published when the registry starts, and answers the tenants. Proves first that `vault` opens
/// everything that is sealed.
///
/// # Errors
/// When a key of the vault is missing, or the database refuses.
pub async fn settle_restored(
    database: &Database,
    vault: &Vault,
    taken: Timestamp,
) -> Result<Vec<TenantId>, RestoredError> {
    prove_keys(database, vault).await?;
    let reason = format!(
        "Restored from the backup of {taken}: let the ERP publish everything, reconcile each store, \
         then let writes go on"
    );
    let tenants = tenants::all(database).await?;
    let mut transaction = database.begin().await?;
    for tenant in &tenants {
        stop_writes(&mut transaction, &tenant.id, &reason).await?;
        ask_for_everything(&mut transaction, &tenant.id, taken).await?;
    }
    transaction.commit().await?;
    Ok(tenants.into_iter().map(|tenant| tenant.id).collect())
}

async fn prove_keys(database: &Database, vault: &Vault) -> Result<(), RestoredError> {
    let sealed = database
        .fetch_all(
            "SELECT id AS record, credentials AS sealed FROM connections
                WHERE deleted IS NULL AND credentials IS NOT NULL
             UNION ALL SELECT id, draft_credentials FROM connections
                WHERE deleted IS NULL AND draft_credentials IS NOT NULL
             UNION ALL SELECT name, sealed FROM installation_keys",
            args![],
        )
        .await?;
    for row in &sealed {
        let record = row.text("record")?;
        let opened = row
            .text("sealed")?
            .parse::<Sealed>()
            .and_then(|sealed| vault.unseal(&sealed, &record));
        opened.map_err(|source| RestoredError::Key {
            what: match record.as_str() {
                installation::NAME => "the signing key".to_owned(),
                connection => format!("the credentials of {connection}"),
            },
            source,
        })?;
    }
    Ok(())
}

/// Also where they were stopped before: that reason says nothing of what must happen now.
async fn stop_writes(
    transaction: &mut Transaction,
    tenant: &TenantId,
    reason: &str,
) -> Result<(), DbError> {
    tenants::pause_writes(transaction, tenant, None).await?;
    tenants::pause_writes(transaction, tenant, Some(reason)).await?;
    let actor = Actor {
        tenant: tenant.clone(),
        token: COMMAND_LINE.to_owned(),
    };
    let (action, object) = ("tenant.restore", tenant.as_str());
    audit::note(transaction, &actor, action, object, None, Some("paused")).await
}

async fn ask_for_everything(
    transaction: &mut Transaction,
    tenant: &TenantId,
    taken: Timestamp,
) -> Result<(), DbError> {
    let wanted = ResyncRequested {
        entities: vec![
            ResyncEntity::Stock,
            ResyncEntity::Price,
            ResyncEntity::Product,
        ],
        warehouses: Vec::new(),
        price_lists: Vec::new(),
        reason: format!(
            "restored from the backup of {taken}: what changed since is not known here"
        ),
    };
    let event = Envelope::new(tenant.clone(), format!("/services/{SERVICE}"), wanted);
    outbox::add(transaction, &subject::hub_resync_requested(tenant), &event).await
}
