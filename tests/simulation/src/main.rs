//! Runs seeds, and shows one again.

use clap::{Parser, Subcommand};
use storelink_simulation::{Plane, seeds};

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
        /// Which world.
        #[arg(long)]
        plane: Plane,
        /// This fault alone.
        #[arg(long)]
        fault: Option<storelink_planted_faults::Fault>,
        /// So many seeds at most for each.
        #[arg(long, default_value_t = 1_000)]
        count: u64,
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
        } => {
            let faults = match fault {
                Some(fault) => vec![fault],
                None => plane.faults(),
            };
            let mut unfound = 0;
            for fault in faults {
                match seeds::search(plane, fault, count) {
                    Some(failure) => println!("{} {failure}", fault.name()),
                    None => {
                        unfound += 1;
                        println!("{} is not found within {count} seeds", fault.name());
                    }
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
