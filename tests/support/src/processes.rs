//! Child processes of a test: the program, the simulated stores.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::time::sleep;

use crate::children::{bound_to_this_process, spawn_from_lasting_thread, stands_still};

const POLL: Duration = Duration::from_millis(10);

/// A signal to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Asked to end.
    Terminate,
    /// Ended at once.
    Kill,
    /// Frozen.
    Stop,
    /// Goes on after being frozen.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A running program whose outputs go to files. It is killed when dropped, and by the kernel when
/// the test process dies.
pub struct RunningProcess {
    name: String,
    child: Child,
    output: PathBuf,
    errors: PathBuf,
}

/// What to start.
pub struct Program<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// The file to run.
    pub path: &'a Path,
    /// Its arguments.
    pub arguments: &'a [String],
    /// Variables added to those of this process.
    pub environment: &'a [(String, String)],
    /// Where its outputs go: `<name>.out` and `<name>.log`, kept over a restart.
    pub folder: &'a Path,
}

impl RunningProcess {
    /// Starts a program.
    ///
    /// # Errors
    /// When it cannot be started or its files cannot be made.
    pub fn start(program: &Program<'_>) -> anyhow::Result<Self> {
        let output = program.folder.join(format!("{}.out", program.name));
        let errors = program.folder.join(format!("{}.log", program.name));
        let mut command: Command = bound_to_this_process(program.path);
        command
            .args(program.arguments)
            .envs(
                program
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            // An interrupt at the terminal is for whoever started it, which then ends it in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(append(&output)?)
            .stderr(append(&errors)?);
        let child = spawn_from_lasting_thread(command)
            .with_context(|| format!("{} cannot be started", program.path.display()))?;
        Ok(Self {
            name: program.name.to_owned(),
            child,
            output,
            errors,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output, over all its starts.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// What it wrote to standard error, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process does not run.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} has ended with {status}\n{}",
                self.name,
                self.last_words()
            );
        }
        let status = Command::new("kill")
            .args(["-s", signal.name(), &self.child.id().to_string()])
            .status()?;
        anyhow::ensure!(
            status.success(),
            "{} could not be sent {}",
            self.name,
            signal.name()
        );
        Ok(())
    }

    /// Freezes it (SIGSTOP) and waits until every thread of it stands still.
    ///
    /// # Errors
    /// When it does not run, or does not freeze in time.
    pub async fn freeze(&mut self, limit: Duration) -> anyhow::Result<()> {
        self.signal(Signal::Stop)?;
        let deadline = Instant::now() + limit;
        while !stands_still(self.id())? {
            anyhow::ensure!(
                Instant::now() < deadline,
                "{} does not freeze within {limit:?}",
                self.name
            );
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// The way it ended, if it has.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} does not end within {limit:?}\n{}",
                    self.name,
                    self.last_words()
                );
            }
            sleep(POLL).await;
        }
    }

    /// The end of its log, for messages.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .get(lines.len().saturating_sub(12)..)
            .unwrap_or_default()
            .join("\n")
    }
}

impl Drop for RunningProcess {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn append(path: &Path) -> anyhow::Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("{} cannot be written", path.display()))
}

/// Finds a program that was built beside this one: the file that `variable` names, else the one in
/// the folder of this executable or the folder above it.
///
/// # Errors
/// When there is none.
pub fn built_program(name: &str, variable: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe()?;
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|p| p.is_file());
    found.with_context(|| {
        format!("the program {name} is not built: run `cargo build -p {name}`, or set {variable}")
    })
}

/// A port of 127.0.0.1 that is free now, outside the range from which the system gives ports to
/// outgoing connections: it stays free while its process is restarted.
///
/// # Errors
/// When none is found.
pub fn lasting_free_port() -> anyhow::Result<u16> {
    const FIRST: u16 = 18_000;
    const COUNT: u16 = 14_000;
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    // A random place to begin, so that tests in other processes look elsewhere.
    let seed = uuid::Uuid::now_v7().as_u128() % u128::from(COUNT);
    let seed = u16::try_from(seed)?;
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    (0..COUNT)
        .map(|step| FIRST + (seed + step) % COUNT)
        .find(|port| {
            !taken.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
        })
        .inspect(|port| {
            taken.insert(*port);
        })
        .context("no port is free")
}
