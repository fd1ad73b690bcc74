//! The poller on a real broker and real databases, with stores that a test holds in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod handing_on;
mod hints;
mod one_order;
mod products;
mod store;
mod trouble;
mod walks;
mod withheld;
mod world;
