#![doc = include_str!("../README.md")]

mod clock;
mod coalescing;
mod feed;
mod figure;
mod fleet;
mod floor;
mod isolation;
mod latency;
mod limits;
mod load;
mod machine;
mod many;
mod outage;
mod process;
mod report;
mod rig;
mod run;
mod sink;
mod sizes;
mod sustained;
#[cfg(test)]
mod tests;
mod throughput;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, Subcommand, ValueEnum};

use crate::machine::Machine;
use crate::report::progress;
use crate::sizes::Sizes;

/// Measures the whole system and compares each figure with its limit in the same run.
#[derive(Debug, Parser)]
#[command(name = "storelink-bench", version)]
struct Arguments {
    /// How often everything is measured that is repeated, in turn.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// Only these scenarios; all of them when none is named.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Tiny stores, to see that everything is counted. The figures mean nothing.
    #[arg(long)]
    small: bool,
    /// The broker flushes every message to the disk before it acknowledges it, and SQLite every
    /// transaction.
    #[arg(long)]
    sync_always: bool,
    /// Folder for the figures, a file for each run with a line of JSON for each figure.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    Limits,
    Throughput,
    Latency,
    Isolation,
    Coalescing,
    Sustained,
    Many,
    Outage,
}

/// Parts of the benchmark that are processes of their own.
#[derive(Debug, Subcommand)]
enum Part {
    /// The least that does the same job.
    #[command(hide = true)]
    Floor(floor::Job),
    /// The limits of the machine.
    #[command(hide = true)]
    Load(load::Target),
}

impl Arguments {
    fn has(&self, scenario: Scenario) -> bool {
        self.only.is_empty() || self.only.contains(&scenario)
    }

    fn sizes(&self) -> Sizes {
        if self.small {
            Sizes::SMALL
        } else {
            Sizes::FULL
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::parse();
    match arguments.part.take() {
        Some(Part::Floor(job)) => floor::serve(job).await.map(|()| ExitCode::SUCCESS),
        Some(Part::Load(target)) => load::serve(target).await.map(|()| ExitCode::SUCCESS),
        None => bench(&arguments).await,
    }
}

async fn bench(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    ensure!(arguments.repetitions > 0, "nothing would be measured");
    let machine = Machine::of_this_run(arguments.sync_always);
    progress(&format!(
        "{} cores; {}; broker sync {}; {}",
        machine.cores, machine.layout, machine.broker_sync, machine.database
    ));
    let measured = run::measure(arguments).await?;
    let holds = report::publish(&measured.figures, &machine, &arguments.output)?;
    if !measured.is_valid {
        progress(
            "The run is INVALID: floor at ten stores brought less than a tenth of what the sink \
             records, so it is no measure. Something else kept the machine busy.",
        );
    }
    Ok(if holds && measured.is_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
