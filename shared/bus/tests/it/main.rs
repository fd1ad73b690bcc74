//! Tests against a real nats-server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop at the first surprise"
)]

mod archive;
mod connect;
mod harness;
mod kv;
mod last_value;
mod permissions;
mod publish;
mod rpc;
mod streams;
mod users;
mod work;
mod work_faults;
