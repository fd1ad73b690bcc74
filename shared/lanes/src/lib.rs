#![doc = include_str!("../README.md")]

mod announce;
mod answers;
#[cfg(any(test, feature = "simulation"))]
pub mod contract;
mod deletions;
mod engine;
mod feed;
#[cfg(test)]
mod fuzz;
mod intake;
pub mod kind;
pub mod lane;
pub mod levels;
mod metrics;
pub mod ordering;
mod orders;
pub mod ownership;
mod parts;
pub mod ports;
mod records;
mod restored;
mod runner;
#[cfg(feature = "simulation")]
pub mod simulation;

pub use engine::{MIGRATOR, PublisherError, run};
pub use restored::settle_restored;
