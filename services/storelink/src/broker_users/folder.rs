//! A folder of broker users:
//!
//! ```text
//! server/users.conf                 what the server includes: public keys and permissions
//! roles/<role>.nk, <role>.pub       seed and public key of a role's user
//! publishers/<tenant>/<name>.pub    public key of a publisher; its seed is nowhere
//! ```
//!
//! The public keys are what counts: a seed may be moved away to where its role runs.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use secrecy::{ExposeSecret as _, SecretString};
use storelink_bus::users::{
    self, BrokerUser, KeyedUser, Publisher, PublisherName, UserKey, server_config,
};

use super::files;

/// The folder, for one process at a time.
pub(crate) struct UsersFolder {
    path: PathBuf,
    _lock: File,
}

impl UsersFolder {
    /// Opens a folder, which is made where there is none.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        for part in ["server", "roles", "publishers"] {
            files::make_folder(&path.join(part))?;
        }
        let lock = File::open(path.join("roles"))?;
        lock.lock()
            .with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The file that the server includes.
    pub(crate) fn server_file(&self) -> PathBuf {
        self.path.join("server").join("users.conf")
    }

    /// The file with the seed of a role's user.
    pub(crate) fn seed_file(&self, name: &str) -> PathBuf {
        self.path.join("roles").join(format!("{name}.nk"))
    }

    /// Makes a key for each of `wanted` that has none; answers for which.
    pub(crate) fn make_keys(&self, wanted: &[BrokerUser]) -> anyhow::Result<Vec<String>> {
        let mut made = Vec::new();
        for user in wanted {
            let public = self.path.join("roles").join(format!("{}.pub", user.name()));
            if files::read(&public)?.is_some() {
                continue;
            }
            // A seed without its public half is left by a process that was ended in between.
            let seed = self.seed_file(user.name());
            let key = match files::read(&seed)? {
                Some(text) => {
                    UserKey::from_seed(&text).with_context(|| seed.display().to_string())?
                }
                None => {
                    let key = UserKey::generate()?;
                    files::write_secret(&seed, &format!("{}\n", key.seed().expose_secret()))?;
                    made.push(user.name().to_owned());
                    key
                }
            };
            files::replace(&public, &format!("{}\n", key.public()))?;
        }
        Ok(made)
    }

    /// The public key of a role's user.
    pub(crate) fn public_key(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path.join("roles").join(format!("{name}.pub"));
        public_key(&path)
    }

    /// Adds a publisher. Its seed is answered and kept nowhere.
    pub(crate) fn add_publisher(
        &self,
        tenant: &PublisherName,
        name: &PublisherName,
    ) -> anyhow::Result<(Publisher, SecretString)> {
        let path = self.publisher_file(tenant, name);
        ensure!(
            !path.exists(),
            "tenant {} has a publisher {}: take another name, or remove it first",
            tenant.as_str(),
            name.as_str()
        );
        let key = UserKey::generate()?;
        files::make_folder(&self.path.join("publishers").join(tenant.as_str()))?;
        files::replace(&path, &format!("{}\n", key.public()))?;
        let publisher = Publisher {
            tenant: tenant.clone(),
            name: name.clone(),
            public_key: key.public().to_owned(),
        };
        Ok((publisher, key.seed().clone()))
    }

    /// Removes a publisher; false when there is none.
    pub(crate) fn remove_publisher(
        &self,
        tenant: &PublisherName,
        name: &PublisherName,
    ) -> anyhow::Result<bool> {
        let path = self.publisher_file(tenant, name);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// All publishers, by tenant and name.
    pub(crate) fn publishers(&self) -> anyhow::Result<Vec<Publisher>> {
        let folder = self.path.join("publishers");
        let mut publishers = Vec::new();
        for tenant in files::names(&folder)? {
            let Some(tenant) = PublisherName::new(&tenant) else {
                continue;
            };
            for name in files::public_keys(&folder.join(tenant.as_str()))? {
                if let Some(name) = PublisherName::new(&name) {
                    publishers.push(Publisher {
                        public_key: public_key(&self.publisher_file(&tenant, &name))?,
                        tenant: tenant.clone(),
                        name,
                    });
                }
            }
        }
        Ok(publishers)
    }

    /// Writes what the server includes: the users of this program that have a key here, with what they
    /// may do today, and every publisher.
    pub(crate) fn render(&self) -> anyhow::Result<()> {
        let with_key = files::public_keys(&self.path.join("roles"))?;
        let mut keyed = Vec::new();
        let known = super::roles().into_iter();
        for user in known.chain([users::administrator(), super::dev()]) {
            if with_key.iter().any(|name| name == user.name()) {
                keyed.push(KeyedUser {
                    public_key: self.public_key(user.name())?,
                    user,
                });
            }
        }
        ensure!(
            !keyed.is_empty(),
            "{} has no user of a role: run `storelink broker users write` first",
            self.path.display()
        );
        let text = server_config(&keyed, &self.publishers()?);
        files::replace(&self.server_file(), &text)
    }

    fn publisher_file(&self, tenant: &PublisherName, name: &PublisherName) -> PathBuf {
        let folder = self.path.join("publishers").join(tenant.as_str());
        folder.join(format!("{}.pub", name.as_str()))
    }
}

/// What stands in a file goes into the server's configuration: nothing but a key may.
fn public_key(path: &Path) -> anyhow::Result<String> {
    let text = files::read(path)?.unwrap_or_default();
    ensure!(
        UserKey::is_public(&text),
        "{} holds no public key of a broker user",
        path.display()
    );
    Ok(text)
}
