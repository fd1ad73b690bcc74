//! The public contract: types, schemas and the samples in `proto-schemas/samples`.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod fuzz;
mod refusals;
mod samples;
mod schemas;
