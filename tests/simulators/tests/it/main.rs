//! Integration tests of the simulators.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod caller;
mod catalogue;
mod compare;
mod control;
mod fault_effects;
mod keys;
mod lists;
mod money;
mod recorded_state;
mod recordings;
mod replay;
mod replay_table;
mod sales;
mod webhooks;
