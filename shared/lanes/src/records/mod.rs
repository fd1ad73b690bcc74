//! What is made lasting, and how it comes back.

pub(crate) mod memory;
