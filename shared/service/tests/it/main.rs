//! The linked connections and their gate on a real broker.

mod linked;
mod platform;
