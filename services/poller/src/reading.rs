//! One page from a store: numbered, timed, and asked again where that is harmless.

use std::future::Future;
use std::time::Duration;

use storelink_adapter_api::{AdapterError, ErrorClass};
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::Database;
use tokio::time::{Instant, sleep};

use crate::PollerError;
use crate::cursor_store::draw_read_number;
use crate::job_gate::NOT_OWNER;

/// Pauses before a read that failed is repeated within the run.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// A read that failed after a longer time is not repeated: the store is slow, not unlucky.
const QUICK: Duration = Duration::from_secs(5);

/// What was read, and when.
pub(crate) struct Numbered<T> {
    pub(crate) value: T,
    /// Drawn before the request left.
    pub(crate) number: i64,
    /// When the request left, by our clock.
    pub(crate) sent: Timestamp,
    pub(crate) took: Duration,
}

/// Reads. The outer error is ours, the inner one the store's.
pub(crate) async fn read<T, F>(
    database: &Database,
    connection: &ConnectionId,
    request: impl Fn() -> F,
) -> Result<Result<Numbered<T>, AdapterError>, PollerError>
where
    F: Future<Output = Result<T, AdapterError>>,
{
    let mut pauses = PAUSES.into_iter();
    loop {
        let number = draw_read_number(database, connection).await?;
        let (sent, started) = (Timestamp::now(), Instant::now());
        let answer = request().await;
        let took = started.elapsed();
        let error = match answer {
            Ok(value) => {
                return Ok(Ok(Numbered {
                    value,
                    number,
                    sent,
                    took,
                }));
            }
            Err(error) if error.code == NOT_OWNER => return Err(PollerError::Overtaken),
            Err(error) => error,
        };
        let repeat = error.class == ErrorClass::Transient && took < QUICK;
        match pauses.next().filter(|_| repeat) {
            Some(pause) => sleep(pause).await,
            None => return Ok(Err(error)),
        }
    }
}
