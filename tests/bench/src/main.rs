#![doc = include_str!("../README.md")]

mod coalescing;
mod figure;
mod isolation;
mod machine;
mod report;
mod rig;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;

use crate::coalescing::Coalescing;
use crate::figure::Figure;
use crate::isolation::Isolation;
use crate::machine::Machine;
use crate::report::progress;
use crate::rig::Rig;

/// Measures the whole system and compares each figure with its limit in the same run.
#[derive(Debug, Parser)]
#[command(name = "storelink-bench", version)]
struct Arguments {
    /// How often everything is measured, in turn.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// The broker flushes every message to the disk before it acknowledges it, and SQLite every
    /// transaction.
    #[arg(long)]
    sync_always: bool,
    /// Folder for the figures, a file for each run with a line of JSON for each figure.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    ensure!(arguments.repetitions > 0, "nothing would be measured");
    let machine = Machine::of_this_run(arguments.sync_always);
    progress(&format!(
        "{} cores; {}; broker sync {}; {}",
        machine.cores, machine.layout, machine.broker_sync, machine.database
    ));
    let figures = measure(&arguments).await?;
    let holds = report::publish(&figures, &machine, &arguments.output)?;
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let mut rig = Rig::start(arguments.sync_always).await?;
    let mut isolation = Isolation::open(&rig).await?;
    let mut coalescing = Coalescing::open(&rig).await?;
    progress("The system runs and its stores are linked.");
    for repetition in 1..=arguments.repetitions {
        isolation.repeat(&rig).await?;
        coalescing.repeat(&rig).await?;
        progress(&format!(
            "Repetition {repetition} of {} is done.",
            arguments.repetitions
        ));
    }
    rig.system.shut_down().await?;
    rig.simulators.stop();
    let figures = isolation.figures().into_iter().chain(coalescing.figures());
    Ok(figures.collect())
}
