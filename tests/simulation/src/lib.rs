#![doc = include_str!("../README.md")]

pub mod kernel;
pub mod orders;
pub mod search;
pub mod seeds;
mod values;

use seeds::Outcome;
use storelink_planted_faults::Fault;

/// One of the two worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Plane {
    /// Levels of an ERP into stores: intake, last values, lanes, ownership.
    Values,
    /// Orders of stores into events: walks, hand-over, ledger, outbox.
    Orders,
}

impl Plane {
    /// The faults that this world must find, each with a seed that does.
    #[must_use]
    pub fn known(self) -> &'static [(Fault, u64)] {
        match self {
            Self::Values => values::known::KNOWN,
            Self::Orders => orders::known::KNOWN,
        }
    }

    /// Seeds that found mistakes that nobody had planted.
    #[must_use]
    pub fn regressions(self) -> &'static [u64] {
        match self {
            Self::Values => values::known::REGRESSIONS,
            Self::Orders => orders::known::REGRESSIONS,
        }
    }

    /// The faults that this world must find.
    #[must_use]
    pub fn faults(self) -> Vec<Fault> {
        self.known().iter().map(|(fault, _)| *fault).collect()
    }

    /// Runs the world of a seed and judges it.
    #[must_use]
    pub fn run(self, seed: u64, told: bool) -> Outcome {
        match self {
            Self::Values => values::run(seed, told),
            Self::Orders => orders::run(seed, told),
        }
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
