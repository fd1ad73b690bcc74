//! Where the last publications stand in the stream.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use futures::StreamExt as _;
use storelink_bus::Bus;
use storelink_bus::streams::names;

/// Messages asked for at once; they come without their payload.
const BATCH: usize = 1_000;
/// A consumer whose process is gone is removed by the server after this time.
const CONSUMER_LIFE: Duration = Duration::from_secs(30);

/// The sequence of the one message that LISTINGS keeps of each subject.
pub(crate) async fn last_sequences(bus: &Bus) -> Result<HashMap<String, u64>, String> {
    let config = pull::Config {
        description: Some("compares listings with the catalogue".to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::None,
        headers_only: true,
        inactive_threshold: CONSUMER_LIFE,
        num_replicas: 1,
        memory_storage: true,
        ..pull::Config::default()
    };
    let consumer = bus
        .jetstream()
        .create_consumer_on_stream(config, names::LISTINGS)
        .await
        .map_err(|error| error.to_string())?;
    let mut left = consumer.cached_info().num_pending;
    let mut sequences = HashMap::new();
    while left > 0 {
        let batch = consumer.fetch().max_messages(BATCH).messages().await;
        let mut batch = batch.map_err(|error| error.to_string())?;
        let before = left;
        while let Some(message) = batch.next().await {
            let message = message.map_err(|error| error.to_string())?;
            let info = message.info().map_err(|error| error.to_string())?;
            left = info.pending.min(left.saturating_sub(1));
            sequences.insert(message.subject.to_string(), info.stream_sequence);
        }
        if left == before {
            return Err("the last listings do not come".to_owned());
        }
    }
    Ok(sequences)
}
