//! Runs seeds, and shows one again.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use storelink_simulation::{Plane, search, seeds};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one seed and tells what happened.
    Replay {
        /// Which world.
        #[arg(long)]
        plane: Plane,
        /// Which seed.
        #[arg(long)]
        seed: u64,
        /// With this fault planted.
        #[arg(long)]
        fault: Option<storelink_planted_faults::Fault>,
    },
    /// Looks for each fault's first seed that finds it.
    Search {
        /// This world alone.
        #[arg(long)]
        plane: Option<Plane>,
        /// This fault alone.
        #[arg(long)]
        fault: Option<storelink_planted_faults::Fault>,
        /// So many seeds at most for each.
        #[arg(long, default_value_t = 1_000)]
        count: u64,
        /// A file that gets a line of JSON for each fault.
        #[arg(long)]
        outcomes: Option<PathBuf>,
        /// The commit that these lines name.
        #[arg(long, default_value = "unknown")]
        commit: String,
    },
    /// Runs many seeds.
    Run {
        /// Which world.
        #[arg(long)]
        plane: Plane,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many.
        #[arg(long, default_value_t = 1_000)]
        count: u64,
    },
}

#[allow(clippy::print_stdout)]
fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Replay { plane, seed, fault } => {
            let _planted = fault.map(storelink_planted_faults::plant);
            let outcome = plane.run(seed, true);
            for line in &outcome.story {
                println!("{line}");
            }
            anyhow::ensure!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
        }
        Command::Search {
            plane,
            fault,
            count,
            outcomes,
            commit,
        } => {
            let mut file = match outcomes {
                Some(path) => Some(File::options().create(true).append(true).open(path)?),
                None => None,
            };
            let mut unfound = 0;
            for found in search::all(plane, fault, count) {
                println!("{found}");
                unfound += usize::from(found.failure.is_none());
                if let Some(file) = &mut file {
                    writeln!(file, "{}", found.outcome(&commit))?;
                }
            }
            anyhow::ensure!(unfound == 0, "{unfound} faults are not found");
        }
        Command::Run { plane, from, count } => {
            let all: Vec<u64> = (from..from.saturating_add(count)).collect();
            let tally = seeds::run(plane, &all, None, false);
            for failure in &tally.failures {
                println!("{failure}");
            }
            println!(
                "{} seeds, {} simulated hours, digest {:016x}",
                tally.run,
                tally.simulated_micros / 3_600_000_000,
                tally.digest
            );
            anyhow::ensure!(
                tally.failures.is_empty(),
                "{} seeds failed",
                tally.failures.len()
            );
        }
    }
    Ok(())
}
