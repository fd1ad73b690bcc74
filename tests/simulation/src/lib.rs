#![doc = include_str!("../README.md")]

pub mod kernel;
pub mod seeds;

use seeds::Outcome;

/// One of the two worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Plane {
    /// Levels of an ERP into stores: intake, last values, lanes, ownership.
    Values,
    /// Orders of stores into events: walks, hand-over, ledger, outbox.
    Orders,
}

impl Plane {
    /// Runs the world of a seed and judges it.
    #[must_use]
    pub fn run(self, seed: u64, told: bool) -> Outcome {
        let _ = (seed, told);
        Outcome::default()
    }
}

impl std::fmt::Display for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Values => "values",
            Self::Orders => "orders",
        })
    }
}
