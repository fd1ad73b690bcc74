//! Connections that a person must look at first: they are not asked again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use storelink_events::connection::ConnectionRecord;
use storelink_model::ConnectionId;
use tokio::time::Instant;

use crate::run::Failure;

/// A store is asked again after this time even if nobody changed the connection: some causes, such as
/// a firewall, end by themselves.
const PROBE: Duration = Duration::from_secs(600);

/// Stops of this process, by connection and entity: a key that may not read products still reads
/// orders. Another process finds out for itself with one request.
#[derive(Debug, Default)]
pub(crate) struct Stopped(Mutex<HashMap<(ConnectionId, String), Stop>>);

#[derive(Debug)]
struct Stop {
    revision: u64,
    since: Instant,
    failure: Failure,
}

impl Stopped {
    /// Why this connection is not to be asked, unless it was changed or tested since or the time for a
    /// probe has come.
    pub(crate) fn reason(&self, record: &ConnectionRecord, entity: &str) -> Option<Failure> {
        let stops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stops
            .get(&(record.id.clone(), entity.to_owned()))
            .filter(|stop| stop.revision == record.revision && stop.since.elapsed() < PROBE)
            .map(|stop| stop.failure.clone())
    }

    /// Takes note of how a run ended.
    pub(crate) fn note(&self, record: &ConnectionRecord, entity: &str, failure: Option<&Failure>) {
        let key = (record.id.clone(), entity.to_owned());
        let mut stops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.filter(|failure| failure.needs_attention) {
            Some(failure) => {
                let stop = Stop {
                    revision: record.revision,
                    since: Instant::now(),
                    failure: failure.clone(),
                };
                stops.insert(key, stop);
            }
            None => {
                stops.remove(&key);
            }
        }
    }
}
