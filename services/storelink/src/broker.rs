//! The nats-server that `storelink dev` starts.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use storelink_bus::users::ADMINISTRATOR;
use tokio::process::{Child, Command};

use crate::broker_users::UsersFolder;

/// A running nats-server; ends with [`Broker::stop`].
pub(crate) struct Broker {
    child: Child,
    url: String,
}

impl Broker {
    /// Starts one with its store in `folder`.
    pub(crate) async fn start(
        folder: &Path,
        port: u16,
        sync_always: bool,
        users: &UsersFolder,
    ) -> anyhow::Result<Self> {
        let port = if port == 0 {
            free_port()?
        } else {
            ensure_free(port)?
        };
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        let config = folder.join("nats-server.conf");
        let anonymous = users.public_key(ADMINISTRATOR)?;
        let text = configuration(folder, port, sync_always, &anonymous);
        std::fs::write(&config, text)
            .with_context(|| format!("{} cannot be written", config.display()))?;

        let mut command = with_parent("nats-server");
        command.arg("-c").arg(&config).stdin(Stdio::null());
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        // A group of its own: Ctrl-C at the terminal reaches this process alone, which needs the broker
        // until its roles have finished.
        command.process_group(0);
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => anyhow::anyhow!(
                "nats-server is not on PATH: install 2.12 or newer, or start with `make run`, which fetches one"
            ),
            _ => anyhow::Error::new(error).context("nats-server cannot be started"),
        })?;
        Ok(Self {
            child,
            url: format!("nats://127.0.0.1:{port}"),
        })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it in order, within a limit: what is acknowledged is on the disk afterwards.
    pub(crate) async fn stop(mut self, limit: Duration) {
        if let Some(pid) = self.child.id() {
            let _ = Command::new("kill")
                .args(["-TERM", &pid.to_string()])
                .status()
                .await;
        }
        if tokio::time::timeout(limit, self.child.wait())
            .await
            .is_err()
        {
            tracing::warn!("nats-server did not end in time and is killed");
            let _ = self.child.kill().await;
        }
    }
}

/// Runs a program so that it ends when this process is killed, where the system can do that.
fn with_parent(program: &str) -> Command {
    let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]
        .iter()
        .find(|path| Path::new(path).exists());
    let Some(setpriv) = setpriv else {
        return Command::new(program);
    };
    // Looked up here: setpriv would only say that it failed.
    let known = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    });
    if !known {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM", program]);
    command
}

fn configuration(folder: &Path, port: u16, sync_always: bool, anonymous: &str) -> String {
    let sync = if sync_always { "always" } else { "2m" };
    format!(
        "host: 127.0.0.1\nport: {port}\nmax_payload: 8MB\n\
         jetstream {{\n  store_dir: \"{}\"\n  sync_interval: {sync}\n}}\n\
         # Who connects from this machine without a key.\n\
         no_auth_user: {anonymous}\n\
         include users/server/users.conf\n",
        folder.display()
    )
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn ensure_free(port: u16) -> anyhow::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!("port {port} for the broker is taken: stop what uses it, or give --nats-port 0")
    })?;
    Ok(port)
}
