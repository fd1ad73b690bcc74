//! A real nats-server of its own for one test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

use crate::children::{bound_to_this_process, spawn_from_lasting_thread, stands_still};

const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// How a [`TestBroker`] is configured.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// Every acknowledged message is flushed to the disk first (`sync_interval: always`).
    pub sync_always: bool,
    /// JetStream is on. Off only to test the refusal.
    pub jetstream: bool,
    /// Largest message the server takes, in bytes.
    pub max_payload: usize,
    /// Lines added to the server's configuration file: users, permissions, limits.
    pub extra_config: String,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            sync_always: false,
            jetstream: true,
            max_payload: 8 * 1024 * 1024,
            extra_config: String::new(),
        }
    }
}

/// A nats-server child process with JetStream in a temporary folder, on a free port of 127.0.0.1.
///
/// It is killed when dropped, and by the kernel when the test process dies.
pub struct TestBroker {
    folder: TempDir,
    options: BrokerOptions,
    port: u16,
    child: Option<Child>,
}

impl TestBroker {
    /// Starts a server with the default options and waits until it answers.
    ///
    /// # Errors
    /// When no nats-server 2.12 or newer can be had, or it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(BrokerOptions::default()).await
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When no nats-server 2.12 or newer can be had, or it does not start.
    pub async fn start_with(options: BrokerOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("storelink-broker-")
            .tempdir()?;
        let mut broker = Self {
            folder,
            options,
            port: 0,
            child: None,
        };
        broker.launch().await?;
        Ok(broker)
    }

    /// The address for clients; the same after a restart.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server in order (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When the server does not end in time.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        signal(&child, "TERM")?;
        match wait_for_end(&mut child).await {
            Ok(_) => Ok(()),
            Err(error) => {
                child.kill().ok();
                child.wait().ok();
                Err(error)
            }
        }
    }

    /// Kills the server at once (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        child.kill()?;
        wait_for_end(&mut child).await?;
        Ok(())
    }

    /// Starts the server again on the same store and port; stops it first if it runs.
    ///
    /// # Errors
    /// When the server does not start.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.launch().await
    }

    /// Lets the running server read its configuration anew with other added lines; returns when it has.
    ///
    /// # Errors
    /// When the server does not run, or does not take the configuration.
    pub async fn reload(&mut self, extra_config: String) -> anyhow::Result<()> {
        self.options.extra_config = extra_config;
        let config = self.folder.path().join("server.conf");
        tokio::fs::write(&config, self.config()).await?;
        let child = self.child.as_ref().context("the broker does not run")?;
        let reloads = |log: String| log.matches("Reloaded server configuration").count();
        let before = reloads(self.log());
        signal(child, "HUP")?;
        let deadline = Instant::now() + START_LIMIT;
        while reloads(self.log()) == before {
            ensure!(Instant::now() < deadline, "not taken:\n{}", self.log());
            sleep(POLL).await;
        }
        Ok(())
    }

    /// The lines that were added to the configuration.
    #[must_use]
    pub fn extra_config(&self) -> &str {
        &self.options.extra_config
    }

    /// Freezes the server (SIGSTOP): connections stay open and nothing is answered.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn freeze(&self) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("the broker does not run")?;
        signal(child, "STOP")?;
        let asked = Instant::now();
        while !stands_still(child.id())? {
            ensure!(asked.elapsed() < STOP_LIMIT, "the broker does not freeze");
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn thaw(&self) -> anyhow::Result<()> {
        signal(
            self.child.as_ref().context("the broker does not run")?,
            "CONT",
        )
    }

    /// Deletes everything the server stored. The server must be stopped.
    ///
    /// # Errors
    /// When the server runs or the files cannot be deleted.
    pub async fn wipe_store(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            bail!("stop the broker before its store is wiped");
        }
        let store = self.store();
        if store.exists() {
            tokio::fs::remove_dir_all(&store).await?;
        }
        Ok(())
    }

    /// What the server has stored so far, for [`TestBroker::go_back_to`]. It is stopped for it and runs
    /// again afterwards.
    ///
    /// # Errors
    /// When the server does not stop or start, or the files cannot be copied.
    pub async fn backup(&mut self) -> anyhow::Result<TempDir> {
        self.stop().await?;
        let backup = TempDir::new()?;
        copy(&self.store(), backup.path())?;
        self.launch().await?;
        Ok(backup)
    }

    /// Lets the server forget what it stored since a backup, as after a loss of power: it runs with the
    /// same streams at an earlier state.
    ///
    /// # Errors
    /// When the server does not stop or start, or the files cannot be copied.
    pub async fn go_back_to(&mut self, backup: &TempDir) -> anyhow::Result<()> {
        self.stop().await?;
        self.wipe_store().await?;
        copy(backup.path(), &self.store())?;
        self.launch().await
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The folder in which the server keeps its streams.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let program = server_program().await?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match self.try_launch(&program, deadline).await {
                Ok(()) => return Ok(()),
                // The port of a server that was just killed may be taken for a moment.
                Err(_) if Instant::now() < deadline && self.address_was_taken() => {
                    sleep(POLL * 10).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_launch(&mut self, program: &Path, deadline: Instant) -> anyhow::Result<()> {
        let config = self.folder.path().join("server.conf");
        tokio::fs::write(&config, self.config()).await?;
        let log = std::fs::File::create(self.log_file())?;

        let mut command = bound_to_this_process(program);
        command
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = spawn_from_lasting_thread(command)?;

        let ready = self.wait_until_ready(&mut child, deadline).await;
        if ready.is_err() {
            child.kill().ok();
            child.wait().ok();
        }
        self.port = ready.with_context(|| format!("the broker's log:\n{}", self.log()))?;
        self.child = Some(child);
        Ok(())
    }

    fn config(&self) -> String {
        let port = if self.port == 0 {
            "-1".to_owned()
        } else {
            self.port.to_string()
        };
        let mut config = format!(
            "listen: \"127.0.0.1:{port}\"\nports_file_dir: {:?}\nmax_payload: {}\n",
            self.folder.path(),
            self.options.max_payload
        );
        if self.options.jetstream {
            let sync = if self.options.sync_always {
                "\n  sync_interval: always"
            } else {
                ""
            };
            config.push_str(&format!(
                "jetstream {{\n  store_dir: {:?}{sync}\n}}\n",
                self.store()
            ));
        }
        config.push_str(&self.options.extra_config);
        config
    }

    /// Waits for the first line of the protocol and returns the port.
    async fn wait_until_ready(&self, child: &mut Child, deadline: Instant) -> anyhow::Result<u16> {
        let ports_file = self
            .folder
            .path()
            .join(format!("nats-server_{}.ports", child.id()));
        loop {
            if let Some(status) = child.try_wait()? {
                bail!("the broker ended with {status} while it started");
            }
            if let Some(port) = self.known_port(&ports_file)
                && says_info(port).await
            {
                return Ok(port);
            }
            if Instant::now() >= deadline {
                bail!(
                    "the broker does not answer after {} s",
                    START_LIMIT.as_secs()
                );
            }
            sleep(POLL).await;
        }
    }

    fn known_port(&self, ports_file: &Path) -> Option<u16> {
        if self.port != 0 {
            return Some(self.port);
        }
        let ports: serde_json::Value =
            serde_json::from_slice(&std::fs::read(ports_file).ok()?).ok()?;
        ports
            .pointer("/nats/0")?
            .as_str()?
            .rsplit(':')
            .next()?
            .parse()
            .ok()
    }

    fn address_was_taken(&self) -> bool {
        self.log().contains("address already in use")
    }
}

/// The files below a folder into another one.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The path of a server that is new enough, found or fetched once per process.
///
/// # Errors
/// When `deploy/local/nats-server.sh` cannot find or fetch one.
pub async fn server_program() -> anyhow::Result<PathBuf> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let find = || async {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/nats-server.sh");
        let output = tokio::process::Command::new("sh")
            .arg(&script)
            .output()
            .await?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
    };
    PROGRAM.get_or_try_init(find).await.cloned()
}

async fn says_info(port: u16) -> bool {
    let read = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.ok()?;
        line.starts_with("INFO ").then_some(())
    };
    timeout(Duration::from_secs(2), read)
        .await
        .ok()
        .flatten()
        .is_some()
}

async fn wait_for_end(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let deadline = Instant::now() + STOP_LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            bail!("the broker does not end after {} s", STOP_LIMIT.as_secs());
        }
        sleep(POLL).await;
    }
}

fn signal(child: &Child, name: &str) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()?;
    if !status.success() {
        bail!("signal {name} could not be sent to the broker");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_broker_comes_back_on_its_port_and_dies_when_dropped() {
        let mut broker = TestBroker::start().await.unwrap();
        let port = broker.port();
        assert!(says_info(port).await);
        broker.kill().await.unwrap();
        assert!(!says_info(port).await);
        broker.restart().await.unwrap();
        assert_eq!(broker.port(), port);
        assert!(says_info(port).await);
        assert!(
            broker.wipe_store().await.is_err(),
            "a running broker keeps its store"
        );
        broker.stop().await.unwrap();
        assert!(broker.store().exists());
        broker.wipe_store().await.unwrap();
        assert!(!broker.store().exists());
        broker.restart().await.unwrap();
        drop(broker);
        assert!(!says_info(port).await);
    }

    /// Asks the server's monitoring page for its JetStream settings.
    async fn flushes_always(sync_always: bool) -> bool {
        let broker = TestBroker::start_with(BrokerOptions {
            sync_always,
            extra_config: "http: \"127.0.0.1:-1\"\n".to_owned(),
            ..BrokerOptions::default()
        })
        .await
        .unwrap();
        let log = broker.log();
        let page = log.split("http monitor on ").nth(1).unwrap();
        let address = page.lines().next().unwrap().trim();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /varz HTTP/1.0\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("\"sync_interval\""), "{answer}");
        answer.contains("\"sync_always\": true")
    }

    #[tokio::test]
    async fn flushing_always_reaches_the_server() {
        assert!(flushes_always(true).await);
        assert!(!flushes_always(false).await);
    }
}
