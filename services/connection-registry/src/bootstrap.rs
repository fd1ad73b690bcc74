//! The first start: a tenant, and a token for its administrator.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use storelink_model::TenantId;
use storelink_persistence::{Database, DbError};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

use crate::access::Role;
use crate::tenants;
use crate::tokens::{self, TokenError, TokenPurpose};

/// The tenant of a new installation.
const FIRST_TENANT: &str = "default";
const FILE: &str = "admin-token";

/// The first tenant or its token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The database refuses.
    #[error(transparent)]
    Database(#[from] DbError),
    /// No token can be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The file cannot be written.
    #[error("the administrator's token cannot be written to {}: {source}", path.display())]
    File {
        /// Where to.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// Where the first start writes the administrator's token.
#[must_use]
pub fn admin_token_path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Makes the tenant `default` and writes an administrator's token for it, unless there is a tenant
/// already. Of several first starts at the same time one does it.
pub(crate) async fn first_start(
    database: &Database,
    data_dir: &Path,
) -> Result<(), BootstrapError> {
    if !tenants::all(database).await?.is_empty() {
        return Ok(());
    }
    let Ok(tenant) = FIRST_TENANT.parse::<TenantId>() else {
        return Ok(());
    };
    let mut transaction = database.begin().await?;
    if !tenants::add(&mut transaction, &tenant).await? {
        return Ok(());
    }
    let purpose = TokenPurpose {
        tenant,
        role: Role::Admin,
        label: "first administrator".to_owned(),
        expires: None,
    };
    let made = tokens::create(&mut transaction, &purpose).await?;
    // The file first: a token that nobody can read must not be the only one.
    let path = admin_token_path(data_dir);
    write_secret(&path, &made.token)
        .await
        .map_err(|source| BootstrapError::File {
            path: path.clone(),
            source,
        })?;
    transaction.commit().await?;
    tracing::info!(path = %path.display(), "the administrator's token was written");
    Ok(())
}

/// Writes a file that its owner alone can read.
async fn write_secret(path: &Path, secret: &SecretString) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).await?;
    }
    // A leftover may be readable by others: its mode would stay.
    match fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await?;
    file.write_all(secret.expose_secret().as_bytes()).await?;
    file.write_all(b"\n").await?;
    file.sync_all().await
}
