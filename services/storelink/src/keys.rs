//! `storelink keys …`

use std::path::Path;

use anyhow::Context;
use storelink_settings::Settings;
use storelink_vault::{CreateMissing, Vault, VaultError};

use crate::cli::KeysAction;

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) fn run(config: Option<&Path>, action: &KeysAction) -> anyhow::Result<()> {
    let KeysAction::Create = action;
    let settings = Settings::load(config)?;
    let folder = &settings.vault.keys_dir;
    let vault = open(folder, CreateMissing::Yes)?;
    println!(
        "{} seals with key {}: keep a copy of the folder apart from the database's backup, and give \
         it to every role",
        folder.display(),
        vault.active_key()
    );
    Ok(())
}

/// The vault of a process.
///
/// A role never makes a key: with one of its own it would seal what no other process can open, and
/// what is lost with its file system.
pub(crate) fn open(folder: &Path, create_missing: CreateMissing) -> anyhow::Result<Vault> {
    Vault::open(folder, create_missing).map_err(|error| {
        let line = match &error {
            VaultError::NoKey { .. } => format!(
                "the vault has no key in {}: give this process the folder with the installation's \
                 keys, or make the first one with `storelink keys create`",
                folder.display()
            ),
            _ if !folder.exists() => format!(
                "the folder {} of the vault's keys is not there: set vault.keys_dir, or make the \
                 first key with `storelink keys create`",
                folder.display()
            ),
            _ => return error_with_remedy(error),
        };
        anyhow::anyhow!(line)
    })
}

fn error_with_remedy(error: VaultError) -> anyhow::Error {
    let remedy = error.remedy();
    let outcome: Result<(), VaultError> = Err(error);
    outcome
        .with_context(|| format!("the keys of the vault cannot be used ({remedy})"))
        .err()
        .unwrap_or_else(|| anyhow::anyhow!("the keys of the vault cannot be used"))
}
