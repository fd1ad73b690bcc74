#![doc = include_str!("../README.md")]

pub mod acks;
pub mod evidence;
pub mod freeze;
pub mod kills;
pub mod late;
pub mod memory;
pub mod outcome;
pub mod replicas;
pub mod runs;
pub mod schedule;
pub mod settle;
pub mod stage;
pub mod traffic;
