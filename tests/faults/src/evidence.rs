//! Whether a process has work in flight when it is killed.
//!
//! It is asked for its work while it still runs, then frozen, and then the broker and the stores are
//! asked what it settled in between: what is left was in its hands when it stood still, whatever other
//! processes of the role, dead ones and pauses of repetitions are doing.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use storelink_simulators::{SimulatorClient, UnderWay};
use storelink_test_support::api::http_client;
use storelink_test_support::system::{Role, System};
use tokio::time::{sleep, timeout};

use crate::acks::{Acks, Settled};
use crate::traffic::Counts;

const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// What a process sent right before it was frozen has so long to arrive; after that it sends nothing.
const ARRIVAL: Duration = Duration::from_millis(20);
const MESSAGES: &str = "storelink_work_in_hand{";
const REQUESTS: &str = "storelink_api_requests_in_hand";

/// Asks processes, broker and stores.
pub struct Evidence {
    jetstream: jetstream::Context,
    acks: Acks,
    stores: SimulatorClient,
    client: reqwest::Client,
}

/// What a process had in hand while it still ran.
pub struct InHand {
    settled: Settled,
    messages: BTreeMap<String, u64>,
    requests: u64,
    calls: u64,
}

impl Evidence {
    /// Asks the broker at this address and these stores.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn new(broker: &str, stores: SimulatorClient) -> anyhow::Result<Self> {
        let client = async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .connect(broker);
        let client = client.await.context("the broker does not answer")?;
        Ok(Self {
            jetstream: jetstream::new(client),
            acks: Acks::listen(broker).await?,
            stores,
            client: http_client()?,
        })
    }

    /// What a process that runs has in hand now.
    ///
    /// # Errors
    /// When process or broker do not answer.
    pub async fn in_hand(
        &self,
        system: &System,
        process: &str,
        counts: &Counts,
    ) -> anyhow::Result<InHand> {
        let settled = self.acks.so_far().await?;
        let calls = counts.calls.load(Ordering::SeqCst);
        let url = format!("{}/metrics", system.ops_url(process)?);
        let asking = async {
            let answer = self.client.get(url).send().await?.error_for_status()?;
            anyhow::Ok(answer.text().await?)
        };
        // What it does not show does not count.
        let shown = timeout(ANSWER_LIMIT, asking)
            .await
            .unwrap_or(Ok(String::new()))?;
        Ok(InHand {
            settled,
            messages: messages(&shown),
            requests: requests(&shown),
            calls,
        })
    }

    /// What is in flight of a process that was frozen since; none when it was idle.
    ///
    /// # Errors
    /// When broker or stores do not answer.
    pub async fn left(
        &self,
        in_hand: &InHand,
        process: &str,
        role: Role,
        counts: &Counts,
    ) -> anyhow::Result<Option<String>> {
        sleep(ARRIVAL).await;
        if let Some(store) = self.request_under_way(process, "").await? {
            return Ok(Some(format!("a request to {store}")));
        }
        // Nobody else calls the API: the call that was open then is still the same one, unanswered.
        let same_call =
            counts.calls.load(Ordering::SeqCst) == in_hand.calls && is_open(in_hand.calls);
        if role == Role::ConnectionRegistry && in_hand.requests > 0 && same_call {
            return Ok(Some("a request to its API".to_owned()));
        }
        let settled = self.acks.so_far().await?;
        let left = in_hand.messages.iter().find_map(|(consumer, count)| {
            let gone = settled.since(&in_hand.settled, process, consumer);
            let left = count.saturating_sub(gone);
            (left > 0).then(|| format!("{left} messages of {consumer}"))
        });
        Ok(left)
    }

    /// The store that a process is just asking for something below a path that contains this text.
    ///
    /// # Errors
    /// When the stores do not answer.
    pub async fn request_under_way(
        &self,
        process: &str,
        path: &str,
    ) -> anyhow::Result<Option<String>> {
        let stores = self.stores.stores().await?;
        let is_it =
            |request: &UnderWay| is_of(&request.agent, process) && request.path.contains(path);
        let found = stores
            .into_iter()
            .find(|store| store.under_way.iter().any(is_it));
        Ok(found.map(|store| store.name))
    }

    /// The poll jobs of the broker.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn jobs(&self) -> anyhow::Result<Jobs> {
        let asking = async { anyhow::Ok(self.jetstream.get_stream("JOBS").await?) };
        let stream = tokio::time::timeout(ANSWER_LIMIT, asking)
            .await
            .context("the broker is too slow")??;
        let state = &stream.cached_info().state;
        Ok(Jobs {
            open: state.messages,
            told: state.last_sequence,
        })
    }
}

/// Poll jobs.
#[derive(Debug, Clone, Copy)]
pub struct Jobs {
    /// Those that wait or are in work.
    pub open: u64,
    /// All that there ever were.
    pub told: u64,
}

/// A call to the API is counted when it begins and when it ends.
fn is_open(calls: u64) -> bool {
    !calls.is_multiple_of(2)
}

/// `storelink_work_in_hand{consumer="order-ingest"} 3`
fn messages(metrics: &str) -> BTreeMap<String, u64> {
    let lines = metrics.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(MESSAGES)?.rsplit_once('}')?;
        let (_, consumer) = labels.split_once("consumer=\"")?;
        let (consumer, _) = consumer.split_once('"')?;
        Some((consumer.to_owned(), value.trim().parse().ok()?))
    });
    lines.collect()
}

fn requests(metrics: &str) -> u64 {
    let values = metrics.lines().filter_map(|line| {
        let value = line
            .strip_prefix(REQUESTS)?
            .split_whitespace()
            .next_back()?;
        value.parse::<u64>().ok()
    });
    values.sum()
}

/// Whether a request with this User-Agent was sent by a process.
#[must_use]
pub fn is_of(agent: &str, process: &str) -> bool {
    let instance = agent
        .split_once(" (")
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    instance == Some(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_belongs_to_the_process_that_its_agent_names() {
        let agent = "Storelink/0.1.0 (stock-publisher-2)";
        assert!(is_of(agent, "stock-publisher-2"));
        assert!(!is_of(agent, "stock-publisher"));
        assert!(!is_of("Storelink/0.1.0", "stock-publisher"));
    }

    #[test]
    fn metrics_show_messages_by_consumer_and_requests() {
        let shown = "# TYPE storelink_work_in_hand gauge\n\
            storelink_work_in_hand{consumer=\"order-ingest\",otel=\"x\"} 3\n\
            storelink_work_in_hand{consumer=\"stock-orders\"} 0\n\
            storelink_api_requests_in_hand{} 2\n";
        let expected = [("order-ingest", 3), ("stock-orders", 0)];
        let expected = expected.map(|(consumer, count)| (consumer.to_owned(), count));
        assert_eq!(messages(shown), BTreeMap::from(expected));
        assert_eq!(requests(shown), 2);
        assert_eq!(requests("storelink_api_requests_in_hand 1\n"), 1);
        assert_eq!(requests(""), 0);
    }
}
