#![doc = include_str!("../README.md")]

pub mod evidence;
pub mod kills;
pub mod memory;
pub mod outcome;
pub mod runs;
pub mod schedule;
pub mod settle;
pub mod stage;
pub mod traffic;
