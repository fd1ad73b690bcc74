//! Seeds that find something.

use storelink_planted_faults::Fault;

/// Each planted fault that this world must find, with a seed that finds it.
pub(crate) const KNOWN: &[(Fault, u64)] = &[];
