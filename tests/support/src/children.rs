//! Starting a child process that does not outlive the test, and knowing that it stands still.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc;

/// A command whose process the kernel kills when ours ends, where the system offers that.
pub(crate) fn bound_to_this_process(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

type SpawnRequest = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Spawns from one thread that lives as long as the process: the kernel sends the death signal
/// when the *thread* that spawned a child ends, and a test's thread may end before the test run.
pub(crate) fn spawn_from_lasting_thread(command: Command) -> anyhow::Result<Child> {
    static SPAWNER: std::sync::OnceLock<mpsc::Sender<SpawnRequest>> = std::sync::OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<SpawnRequest>();
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                answer.send(command.spawn()).ok();
            }
        });
        sender
    });
    let (answer, child) = mpsc::channel();
    spawner.send((command, answer))?;
    Ok(child.recv()??)
}

/// Whether every thread of a process is stopped: the signal alone returns before that.
pub(crate) fn stands_still(process: u32) -> anyhow::Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let status = std::fs::read_to_string(thread?.path().join("stat"))?;
        // The state stands behind the name, which may hold anything but is in parentheses.
        let state = status.rsplit(") ").next().unwrap_or_default();
        if !state.starts_with('T') {
            return Ok(false);
        }
    }
    Ok(true)
}
