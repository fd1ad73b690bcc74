#![doc = include_str!("../README.md")]

mod announce;
mod answers;
mod engine;
mod intake;
pub mod kind;
pub mod lane;
pub mod levels;
mod metrics;
pub mod ordering;
mod orders;
pub mod ownership;
mod records;
mod runner;

pub use engine::{MIGRATOR, PublisherError, run};
