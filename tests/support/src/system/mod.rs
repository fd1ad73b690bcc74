//! The built program as tests run it: every role in one process, or each as its own.

mod broker_users;
mod launch;
mod options;
mod replicas;
mod role;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

pub use options::{Layout, SystemOptions};
pub use role::Role;

use crate::broker::TestBroker;
use crate::database::TestDatabase;
use crate::eventually::eventually;
use crate::processes::{Program, RunningProcess, Signal, built_program, lasting_free_port};

/// Names the program to run instead of the one that was built beside the tests.
pub const BINARY_VARIABLE: &str = "STORELINK_BINARY";

const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a process may take to end when it is asked to (`SIGTERM`).
pub const STOP_LIMIT: Duration = Duration::from_secs(30);
const DEV: &str = "dev";

/// The first two tokens of the subjects on which a process of a system gets answers from the broker: the
/// place of its role's user, and the process.
#[must_use]
pub fn inbox_prefix(process: &str) -> String {
    let user = match Role::of_process(process) {
        Some(role) => role.broker_user(),
        None => process,
    };
    format!("_INBOX_{user}.{process}")
}

/// A running system. It is killed when dropped.
pub struct System {
    units: BTreeMap<String, Unit>,
    broker: Option<TestBroker>,
    broker_url: String,
    api_port: u16,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    program: PathBuf,
    // Dropped after the processes that use them.
    database: Option<TestDatabase>,
    _temporary: Option<TempDir>,
}

/// One process of the system, running or not.
struct Unit {
    arguments: Vec<String>,
    role: Option<Role>,
    ops_port: u16,
    process: Option<RunningProcess>,
}

impl System {
    /// Starts everything and waits until all of it is ready.
    ///
    /// # Errors
    /// When a process ends or is not ready in time; its last log lines are part of the error.
    pub async fn start(options: SystemOptions) -> anyhow::Result<Self> {
        let temporary = match &options.folder {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("storelink-system-")
                    .tempdir()?,
            ),
        };
        let folder = match (&options.folder, &temporary) {
            (Some(folder), _) => folder.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => bail!("there is no folder"),
        };
        std::fs::create_dir_all(&folder)?;
        let mut system = Self {
            units: BTreeMap::new(),
            broker: None,
            broker_url: String::new(),
            api_port: lasting_free_port()?,
            environment: Vec::new(),
            program: built_program("storelink", BINARY_VARIABLE)?,
            folder,
            database: None,
            _temporary: temporary,
        };
        system.environment = system.settings(&options).await?;
        match options.layout {
            Layout::OneProcess => system.add_dev(&options)?,
            Layout::OneProcessBesideBroker => {
                system.add_broker(&options).await?;
                system.add_dev(&options)?;
            }
            Layout::ProcessPerRole { replicas } => system.add_roles(&options, replicas).await?,
        }
        system.database = options.database;
        let units: Vec<String> = system.units.keys().cloned().collect();
        for unit in &units {
            system.launch(unit)?;
        }
        for unit in &units {
            system.wait_until_ready(unit).await?;
        }
        if system.broker.is_none() {
            system.broker_url = system.announced("Broker")?;
        }
        Ok(system)
    }

    /// The address of the API, without a path.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    /// The address of the broker.
    #[must_use]
    pub fn broker_url(&self) -> &str {
        &self.broker_url
    }

    /// The broker, where it is a process of its own.
    pub fn broker(&mut self) -> Option<&mut TestBroker> {
        self.broker.as_mut()
    }

    /// The database, where it is not SQLite in the system's folder.
    #[must_use]
    pub fn database(&self) -> Option<&TestDatabase> {
        self.database.as_ref()
    }

    /// The folder with keys, tokens, logs and SQLite files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file with the first administrator's token.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("admin-token")
    }

    /// The first administrator's token.
    ///
    /// # Errors
    /// When it is not there yet.
    pub fn admin_token(&self) -> anyhow::Result<String> {
        let file = self.token_file();
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("no token in {}", file.display()))?;
        Ok(text.trim().to_owned())
    }

    /// The names of all processes, running or not: `dev`, or `stock-publisher`, `stock-publisher-2`…
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        self.units.keys().cloned().collect()
    }

    /// The names of the processes of a role.
    #[must_use]
    pub fn processes_of(&self, role: Role) -> Vec<String> {
        let of_role = self
            .units
            .iter()
            .filter(|(_, unit)| unit.role == Some(role));
        of_role.map(|(name, _)| name.clone()).collect()
    }

    /// Everything that every process wrote to standard error so far.
    #[must_use]
    pub fn logs(&self) -> BTreeMap<String, String> {
        let log = |name: &String| {
            let file = self.folder.join(format!("{name}.log"));
            (
                name.clone(),
                std::fs::read_to_string(file).unwrap_or_default(),
            )
        };
        self.units.keys().map(log).collect()
    }

    /// Sends a signal to a process; one that is killed or terminated is still to be waited for.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&mut self, process: &str, signal: Signal) -> anyhow::Result<()> {
        self.running(process)?.signal(signal)
    }

    /// Asks a process to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When it does not run, or does not end within [`STOP_LIMIT`].
    pub async fn stop(&mut self, process: &str) -> anyhow::Result<ExitStatus> {
        self.end(process, Signal::Terminate).await
    }

    /// Ends a process at once (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self, process: &str) -> anyhow::Result<ExitStatus> {
        self.end(process, Signal::Kill).await
    }

    /// Starts a process that has ended, on the same ports, and does not wait for it.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn launch(&mut self, process: &str) -> anyhow::Result<()> {
        let unit = self
            .units
            .get_mut(process)
            .with_context(|| format!("no process {process}"))?;
        ensure!(unit.process.is_none(), "{process} runs already");
        let mut environment = self.environment.clone();
        let ops = format!("127.0.0.1:{}", unit.ops_port);
        environment.push(("STORELINK_OPS__LISTEN".to_owned(), ops));
        // The stores' own record then tells which process sent a request.
        environment.push((
            "STORELINK_OUTBOUND__INSTANCE".to_owned(),
            process.to_owned(),
        ));
        // And what answers a process gives to the broker, from the address of its own answers.
        environment.push((
            "STORELINK_NATS__INBOX_PREFIX".to_owned(),
            inbox_prefix(process),
        ));
        if let Some(role) = unit.role {
            environment.push(broker_users::credentials(&self.folder, role.broker_user()));
        }
        unit.process = Some(RunningProcess::start(&Program {
            name: process,
            path: &self.program,
            arguments: &unit.arguments,
            environment: &environment,
            folder: &self.folder,
        })?);
        Ok(())
    }

    /// Waits until a process says that it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time.
    pub async fn wait_until_ready(&mut self, process: &str) -> anyhow::Result<()> {
        let unit = self
            .units
            .get_mut(process)
            .with_context(|| format!("no process {process}"))?;
        let url = format!("http://127.0.0.1:{}/readyz", unit.ops_port);
        let running = unit
            .process
            .as_mut()
            .with_context(|| format!("{process} does not run"))?;
        let client = crate::api::http_client()?;
        // An early end is the answer, not something to wait out.
        let mut ended = None;
        let ready = eventually(&format!("{process} is ready"), READY_LIMIT, async || {
            if let Some(status) = running.ended()? {
                ended = Some(status);
                return Ok(());
            }
            let answer = client.get(&url).send().await?;
            let status = answer.status();
            ensure!(status.is_success(), "{status}: {}", answer.text().await?);
            Ok(())
        })
        .await;
        if let Some(status) = ended {
            bail!(
                "{process} ended with {status} while it started\n{}",
                running.last_words()
            );
        }
        ready.with_context(|| running.last_words())
    }

    /// Starts a process again and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already, cannot be started or is not ready in time.
    pub async fn restart(&mut self, process: &str) -> anyhow::Result<()> {
        self.launch(process)?;
        self.wait_until_ready(process).await
    }

    /// Asks every process to end, waits for all, then ends the broker.
    ///
    /// # Errors
    /// When one does not end in time, or not with success, or when the broker had to forbid something
    /// to one since it was started.
    pub async fn shut_down(&mut self) -> anyhow::Result<()> {
        let names: Vec<String> = self
            .units
            .iter()
            .filter(|(_, u)| u.process.is_some())
            .map(|(n, _)| n.clone())
            .collect();
        for name in &names {
            self.signal(name, Signal::Terminate)?;
        }
        for name in &names {
            let status = self.running(name)?.wait(STOP_LIMIT).await?;
            ensure!(status.success(), "{name} ended with {status}");
            self.forget(name);
        }
        let refused = self.refused_permissions();
        ensure!(refused.is_empty(), "the broker refused: {refused:#?}");
        if let Some(broker) = &mut self.broker {
            broker.stop().await?;
        }
        Ok(())
    }

    async fn end(&mut self, process: &str, signal: Signal) -> anyhow::Result<ExitStatus> {
        let running = self.running(process)?;
        running.signal(signal)?;
        let status = running.wait(STOP_LIMIT).await?;
        self.forget(process);
        Ok(status)
    }

    fn forget(&mut self, process: &str) {
        if let Some(unit) = self.units.get_mut(process) {
            unit.process = None;
        }
    }

    fn running(&mut self, process: &str) -> anyhow::Result<&mut RunningProcess> {
        let unit = self
            .units
            .get_mut(process)
            .with_context(|| format!("no process {process}"))?;
        unit.process
            .as_mut()
            .with_context(|| format!("{process} does not run"))
    }
}
