//! Makes the last-value stream whole again from SQL.

use std::time::Duration;

use storelink_runtime::sleep;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::intake::{Outgoing, ValueStream};
use crate::kind::LaneKind;

/// Rows read and published at once.
const PAGE: u32 = 2_000;
/// Pause before a failed pass is begun again.
const PAUSE: Duration = Duration::from_secs(2);

/// Publishes every committed value that the stream does not hold: once at the start, and whenever
/// the broker lost its store.
pub(crate) async fn publish_missing<K: LaneKind>(
    stream: std::sync::Arc<ValueStream<K>>,
    mut recreated: mpsc::Receiver<()>,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            passed = pass(&stream) => match passed {
                Ok(0) => {}
                Ok(count) => tracing::warn!(count, "last values were published again from SQL"),
                Err(error) => {
                    tracing::warn!(%error, "last values cannot be published again yet");
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => return,
                        () = sleep(PAUSE) => continue,
                    }
                }
            },
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            told = recreated.recv() => if told.is_none() { return },
        }
    }
}

async fn pass<K: LaneKind>(
    stream: &ValueStream<K>,
) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
    let mut after = (String::new(), String::new(), String::new());
    let mut published = 0;
    loop {
        let (rows, next) = stream.mirror().rows().page(&after, PAGE).await?;
        let values = rows.into_iter().map(|row| Outgoing { row, trace: None });
        published += stream.complete(values.collect()).await?;
        match next {
            Some(next) => after = next,
            None => return Ok(published),
        }
    }
}
