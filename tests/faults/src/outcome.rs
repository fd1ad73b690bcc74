//! What a run found, as one JSON line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::settle::Settled;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that it demands holds.
    Passed,
    /// Something does not.
    Failed,
}

/// Which run it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunId {
    /// For example `kills-postgres`.
    pub id: String,
    /// Decides what happens in which order.
    pub seed: u64,
    /// The commit of the program, with `+` when the tree was changed.
    pub commit: String,
}

impl RunId {
    /// Whether it names a commit and nothing beside it: only then is a run of this name the same one.
    /// Changed files may have changed since.
    #[must_use]
    pub fn names_a_commit(&self) -> bool {
        let is_hex = self.commit.chars().all(|c| c.is_ascii_hexdigit());
        is_hex && !self.commit.is_empty()
    }
}

/// What a run found. All numbers of what must not be are 0 in a run that passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which run.
    #[serde(flatten)]
    pub run: RunId,
    /// Whether it passed.
    pub verdict: Verdict,
    /// Database and processes.
    pub layout: String,
    /// How long the traffic went on, seconds.
    pub traffic_s: u64,
    /// What was said and sold, and how the stores' records judge it.
    #[serde(flatten)]
    pub judged: Judged,
    /// From the last fault until every value that was said last was written, milliseconds.
    pub values_recovery_ms: u64,
    /// From the last fault until all was right, orders too, milliseconds.
    pub recovery_ms: u64,
    /// Kills with work in flight, by role.
    pub kills: BTreeMap<String, u64>,
    /// Kills with work in flight.
    pub kills_counted: u64,
    /// Kills of processes of which it could not be shown.
    pub kills_idle: u64,
    /// Times at which the broker was killed.
    pub broker_kills: u64,
    /// Times at which the database was halted at once.
    pub database_halts: u64,
    /// Faults of stores that were set.
    pub store_faults: u64,
    /// Requests that a fault of a store took part in, by its kind.
    pub faults_met: BTreeMap<String, u64>,
    /// Highest resident memory of each process, MiB.
    pub memory_peak_mib: BTreeMap<String, u64>,
    /// What the kind of run measures beside, named with its unit.
    pub measured: BTreeMap<String, i64>,
    /// What is wrong, in words.
    pub complaints: Vec<String>,
}

/// What the stores' records, the ledger and the events show at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Levels that were said.
    pub levels_said: u64,
    /// Prices that were said.
    pub prices_said: u64,
    /// Changes of orders.
    pub order_edits: u64,
    /// Orders in the stores.
    pub orders: u64,
    /// Orders that are not in the ledger or have no event.
    pub orders_missing: u64,
    /// Orders that are there more than once.
    pub orders_doubled: u64,
    /// Differences between the stores' orders and what is known of them.
    pub orders_different: u64,
    /// Orders whose events went back to what the order was before.
    pub orders_gone_back: u64,
    /// Calls of stores about their orders.
    pub calls_of_stores: u64,
    /// Quantities that were judged.
    pub quantities: u64,
    /// Quantities that are not the last that was said.
    pub quantities_wrong: u64,
    /// Prices that were judged.
    pub prices: u64,
    /// Prices that are not the last that was said.
    pub prices_wrong: u64,
    /// Write requests that the stores got.
    pub write_requests: u64,
    /// Writes that nothing called for.
    pub writes_foreign: u64,
    /// Times at which an older value stood after a newer one.
    pub regressions: u64,
    /// Those that lasted longer than the recheck time.
    pub regressions_lasting: u64,
    /// The longest, milliseconds.
    pub regression_longest_ms: u64,
    /// Panics in any log.
    pub panics: u64,
}

impl Outcome {
    /// The outcome of a run that came to rest; it passed when there are no complaints.
    #[must_use]
    pub fn of(run: RunId, layout: String, traffic: Duration, settled: Settled) -> Self {
        let mut outcome = Self {
            run,
            verdict: Verdict::Passed,
            layout,
            traffic_s: traffic.as_secs(),
            judged: settled.judged,
            values_recovery_ms: millis(settled.values),
            recovery_ms: millis(settled.recovery),
            kills: BTreeMap::new(),
            kills_counted: 0,
            kills_idle: 0,
            broker_kills: 0,
            database_halts: 0,
            store_faults: 0,
            faults_met: settled.faults_met,
            memory_peak_mib: settled.memory_peak_mib,
            measured: BTreeMap::new(),
            complaints: Vec::new(),
        };
        settled
            .complaints
            .into_iter()
            .for_each(|text| outcome.complain(text));
        outcome
    }

    /// Something is wrong.
    pub fn complain(&mut self, text: String) {
        self.verdict = Verdict::Failed;
        self.complaints.push(text);
    }

    /// Keeps a figure, and complains when it is above what it may be.
    pub fn at_most(&mut self, name: &str, value: i64, limit: i64) {
        self.measured.insert(name.to_owned(), value);
        if value > limit {
            self.complain(format!("{name} is {value}, may be {limit}"));
        }
    }

    /// Keeps a figure, and complains when it is below what it must be.
    pub fn at_least(&mut self, name: &str, value: i64, limit: i64) {
        self.measured.insert(name.to_owned(), value);
        if value < limit {
            self.complain(format!("{name} is {value}, must be {limit}"));
        }
    }

    /// In one line for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        let judged = &self.judged;
        format!(
            "{} seed {} ({}): {:?}, {} kills with work in flight, {} orders ({} missing, {} doubled, {} different, {} gone back), \
             {} levels and {} prices said ({} and {} wrong), {} regressions ({} lasting, longest {} ms), \
             {} foreign writes, {} panics, values right {} ms and all right {} ms after the last fault, at most {} MiB",
            self.run.id,
            self.run.seed,
            self.layout,
            self.verdict,
            self.kills_counted,
            judged.orders,
            judged.orders_missing,
            judged.orders_doubled,
            judged.orders_different,
            judged.orders_gone_back,
            judged.levels_said,
            judged.prices_said,
            judged.quantities_wrong,
            judged.prices_wrong,
            judged.regressions,
            judged.regressions_lasting,
            judged.regression_longest_ms,
            judged.writes_foreign,
            judged.panics,
            self.values_recovery_ms,
            self.recovery_ms,
            self.memory_peak_mib
                .values()
                .max()
                .copied()
                .unwrap_or_default(),
        )
    }

    /// Fails with everything that is wrong.
    ///
    /// # Errors
    /// When the run failed.
    pub fn must_have_passed(&self) -> anyhow::Result<()> {
        let passed = self.verdict == Verdict::Passed;
        ensure!(passed, "{}\n{}", self.summary(), self.complaints.join("\n"));
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Adds a line to a file of outcomes.
///
/// # Errors
/// When the file cannot be written.
pub fn append(file: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(outcome)?;
    line.push(b'\n');
    let mut file = File::options().create(true).append(true).open(file)?;
    file.write_all(&line)?;
    Ok(())
}

/// The outcomes in a file; none when it is not there. A last line that was cut off is left out.
///
/// # Errors
/// When the file cannot be read.
pub fn read(file: &Path) -> anyhow::Result<Vec<Outcome>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let lines = BufReader::new(File::open(file)?).lines();
    let lines: Vec<String> = lines
        .collect::<Result<_, _>>()
        .with_context(|| file.display().to_string())?;
    let outcomes = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(outcomes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_files_and_an_unknown_commit_are_never_the_same_run() {
        for (commit, expected) in [
            ("5cc50c4f00d1", true),
            ("5cc50c4f00d1+", false),
            ("unknown", false),
            ("", false),
        ] {
            let run = RunId {
                id: "kills-postgres".to_owned(),
                seed: 1,
                commit: commit.to_owned(),
            };
            assert_eq!(run.names_a_commit(), expected, "{commit:?}");
        }
    }
}
