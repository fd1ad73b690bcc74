//! One page from a store: numbered, timed, and asked again where that is harmless.

use std::future::Future;
use std::time::Duration;

use storelink_adapter_api::{AdapterError, ErrorClass};
use storelink_model::{ConnectionId, Timestamp};
use storelink_planted_faults::planted;
use storelink_runtime::{Instant, sleep};

use crate::PollerError;
use crate::cursor_store::CursorStore;
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
    cursors: &dyn CursorStore,
    connection: &ConnectionId,
    request: impl Fn() -> F,
) -> Result<Result<Numbered<T>, AdapterError>, PollerError>
where
    F: Future<Output = Result<T, AdapterError>>,
{
    repeated(cursors, connection, request, &PAUSES).await
}

/// The same, never repeated: for what is asked because something else failed a moment ago.
pub(crate) async fn read_once<T, F>(
    cursors: &dyn CursorStore,
    connection: &ConnectionId,
    request: impl Fn() -> F,
) -> Result<Result<Numbered<T>, AdapterError>, PollerError>
where
    F: Future<Output = Result<T, AdapterError>>,
{
    repeated(cursors, connection, request, &[]).await
}

async fn repeated<T, F>(
    cursors: &dyn CursorStore,
    connection: &ConnectionId,
    request: impl Fn() -> F,
    pauses: &[Duration],
) -> Result<Result<Numbered<T>, AdapterError>, PollerError>
where
    F: Future<Output = Result<T, AdapterError>>,
{
    let mut pauses = pauses.iter();
    loop {
        let mut number = cursors.draw_read_number(connection).await?;
        let (sent, started) = (Timestamp::now(), Instant::now());
        let answer = request().await;
        let took = started.elapsed();
        if planted!(NumberAfterAnswer) {
            number = cursors.draw_read_number(connection).await?;
        }
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
            Some(pause) => sleep(*pause).await,
            None => return Ok(Err(error)),
        }
    }
}
