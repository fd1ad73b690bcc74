#![doc = include_str!("../README.md")]

pub mod archive;
mod connect;
mod credentials;
mod dead;
mod forbidden;
mod headers;
pub mod kv;
mod last_value;
mod monitor;
mod options;
mod publish;
mod pull;
pub mod rpc;
pub mod streams;
mod trace;
pub mod users;
mod work;

pub use connect::{Bus, ConnectError, DrainError};
pub use dead::{DeadLetter, DeadLetterError, DeadLetters, Reason};
pub use forbidden::Forbidden;
pub use headers::{Headers, InvalidHeader, names};
pub use last_value::{LastValueEvent, LastValueReader, ValueMessage};
pub use monitor::{Violation, ViolationKind};
pub use options::{BusOptions, Credentials};
pub use publish::{Publication, PublishError, PublishWindow, Published};
pub use trace::TraceContext;
pub use work::{Hold, Outcome, WorkItem, WorkLoop, WorkLoopError};
