//! The users of the broker of a system with a process for each role, made by the program itself.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::{READY_LIMIT, System};

const ADMINISTRATOR: &str = "administrator";

/// The setting that names the key of a user.
pub(super) fn credentials(folder: &Path, user: &str) -> (String, String) {
    let file = users_folder(folder).join(format!("roles/{user}.nk"));
    let name = "STORELINK_NATS__CREDENTIALS_FILE";
    (name.to_owned(), file.display().to_string())
}

fn users_folder(folder: &Path) -> PathBuf {
    folder.join("broker-users")
}

impl System {
    /// The folder with the keys of the broker's users.
    #[must_use]
    pub fn users_folder(&self) -> PathBuf {
        users_folder(&self.folder)
    }

    /// Makes a user for each role, and answers the lines for the server.
    pub(super) async fn make_broker_users(&self) -> anyhow::Result<String> {
        let folder = self.users_folder().display().to_string();
        self.run(&["broker", "users", "write", "--dir", &folder], None)
            .await?;
        self.broker_users()
    }

    /// What the server has to read today. Who connects without a key, as the tests' ERP and judges do, is
    /// the administrator.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn broker_users(&self) -> anyhow::Result<String> {
        let folder = self.users_folder();
        let users = std::fs::read_to_string(folder.join("server/users.conf"))?;
        let administrator = folder.join(format!("roles/{ADMINISTRATOR}.pub"));
        let anonymous = std::fs::read_to_string(administrator)?;
        Ok(format!("no_auth_user: {}\n{users}", anonymous.trim()))
    }

    /// Makes the streams that are missing on the broker, as an administrator does at the start and
    /// when the broker lost its store.
    ///
    /// # Errors
    /// When the broker does not take them.
    pub async fn apply_streams(&self) -> anyhow::Result<()> {
        let applied = self.run(&["streams", "apply"], Some(ADMINISTRATOR));
        applied.await.map(drop)
    }

    /// Runs a command of the program to its end, as a user of the broker where one is named, and answers
    /// what it printed.
    ///
    /// # Errors
    /// When it fails, with its words.
    pub async fn run(&self, arguments: &[&str], user: Option<&str>) -> anyhow::Result<String> {
        let output = tokio::process::Command::new(&self.program)
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(user.map(|user| credentials(&self.folder, user)))
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(READY_LIMIT, output)
            .await
            .with_context(|| format!("storelink {arguments:?} does not end"))??;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "storelink {arguments:?}: {words}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What the broker forbade since it was started: its own words.
    #[must_use]
    pub fn refused_permissions(&self) -> Vec<String> {
        let log = self.broker.as_ref().map(|broker| broker.log());
        let log = log.unwrap_or_default();
        let refused = log.lines().filter(|line| line.contains(" Violation - "));
        refused.map(str::to_owned).collect()
    }
}
