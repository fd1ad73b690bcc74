//! A database in memory: each statement is a call that arrives, or not, and takes effect at once when it
//! does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use storelink_persistence::DbError;

use crate::kernel::{Lost, Sim, Wire};

/// The way to a database. Clones share it.
#[derive(Clone)]
pub(super) struct Sql {
    pub(super) sim: Sim,
    wire: Arc<Mutex<Wire>>,
}

impl Sql {
    pub(super) fn new(sim: &Sim, wire: Wire) -> Self {
        Self {
            sim: sim.clone(),
            wire: Arc::new(Mutex::new(wire)),
        }
    }

    pub(super) fn set_wire(&self, wire: Wire) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = wire;
    }

    /// Runs a statement; it may have had its effect although the outcome is an error.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&Sim) -> T + Send + 'static,
    ) -> Result<T, DbError> {
        let wire = *self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = Wire {
            patience: Duration::from_secs(5),
            ..wire
        };
        self.sim
            .call(wire, statement)
            .await
            .map_err(|Lost| DbError::Timeout("no answer".to_owned()))
    }
}
