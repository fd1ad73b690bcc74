#![doc = include_str!("../README.md")]

pub mod kind;
pub mod lane;
pub mod levels;
pub mod ordering;
mod intake;
mod metrics;
mod records;
