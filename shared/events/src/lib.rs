#![doc = include_str!("../README.md")]

pub mod connection;
pub mod contract;
pub mod envelope;
pub mod erp;
pub mod hold;
pub mod hub;
pub mod internal;
mod pointer;
pub mod rpc;
pub mod subject;
mod violation;
pub mod wording;

pub use envelope::{Envelope, EventData};
pub use violation::Violation;
