//! Processes that come and go, freeze and are looked at while the system runs.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

use super::{Role, STOP_LIMIT, System};
use crate::processes::Signal;

impl System {
    /// Launches one more process of a role, without waiting for it, and answers its name.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn add_replica(&mut self, role: Role) -> anyhow::Result<String> {
        let mut free = (2..).map(|number| format!("{}-{number}", role.name()));
        let name = free
            .find(|name| !self.units.contains_key(name))
            .context("no name is free")?;
        self.add(name.clone(), role.arguments(), Some(role))?;
        self.launch(&name)?;
        Ok(name)
    }

    /// The ids of the processes that run, by name.
    #[must_use]
    pub fn process_ids(&self) -> BTreeMap<String, u32> {
        let running = self
            .units
            .iter()
            .filter_map(|(name, unit)| Some((name.clone(), unit.process.as_ref()?.id())));
        running.collect()
    }

    /// The role of a process, where it has one.
    #[must_use]
    pub fn role_of(&self, process: &str) -> Option<Role> {
        self.units.get(process)?.role
    }

    /// Where a process shows its health and its metrics, without a path.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn ops_url(&self, process: &str) -> anyhow::Result<String> {
        let unit = self.units.get(process);
        let unit = unit.with_context(|| format!("no process {process}"))?;
        Ok(format!("http://127.0.0.1:{}", unit.ops_port))
    }

    /// Freezes a process (SIGSTOP); returns when every thread of it stands still.
    ///
    /// # Errors
    /// When it does not run, or does not freeze in time.
    pub async fn freeze(&mut self, process: &str) -> anyhow::Result<()> {
        self.running(process)?.freeze(STOP_LIMIT).await
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&mut self, process: &str) -> anyhow::Result<()> {
        self.signal(process, Signal::Continue)
    }

    /// Fails when a process that should run has ended by itself.
    ///
    /// # Errors
    /// With its last log lines.
    pub fn all_run(&mut self) -> anyhow::Result<()> {
        for (name, unit) in &mut self.units {
            let Some(process) = &mut unit.process else {
                continue;
            };
            let ended = process.ended()?;
            ensure!(
                ended.is_none(),
                "{name} ended by itself: {ended:?}\n{}",
                process.last_words()
            );
        }
        Ok(())
    }
}
