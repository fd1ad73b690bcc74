//! What a run stood on; every line carries it.

use serde::Serialize;

/// The machine and the durability that was measured with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// Processor cores that this process may use.
    pub(crate) cores: usize,
    /// When the broker flushes: `always`, before each acknowledgement, or `interval`, its default of
    /// two minutes.
    pub(crate) broker_sync: &'static str,
    /// Which processes the system consisted of.
    pub(crate) layout: &'static str,
    /// Where the services kept their rows.
    pub(crate) database: &'static str,
}

impl Machine {
    pub(crate) fn of_this_run(sync_always: bool) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            broker_sync: if sync_always { "always" } else { "interval" },
            layout: "a process per role, in `many` one for all",
            database: if sync_always {
                "SQLite, synchronous full"
            } else {
                "SQLite, synchronous normal"
            },
        }
    }
}
