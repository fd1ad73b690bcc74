//! Whether a process has work in flight. It is asked while the process stands still, so the answer
//! is true at the moment of the kill.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use storelink_simulators::{SimulatorClient, UnderWay};
use storelink_test_support::system::Role;

use crate::traffic::Counts;

const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Asks the broker and the stores.
pub struct Evidence {
    jetstream: jetstream::Context,
    stores: SimulatorClient,
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
            stores,
        })
    }

    /// What a process has in flight; none when it is idle.
    ///
    /// # Errors
    /// When broker or stores do not answer.
    pub async fn of(
        &self,
        process: &str,
        role: Role,
        counts: &Counts,
    ) -> anyhow::Result<Option<String>> {
        if let Some(store) = self.request_under_way(process, "").await? {
            return Ok(Some(format!("a request to {store}")));
        }
        let consumer = match role {
            Role::ConnectionRegistry => {
                let asking = counts.asking.load(Ordering::SeqCst);
                return Ok((asking > 0).then(|| "a request to its API".to_owned()));
            }
            Role::WooCommercePoller => ("JOBS", "poller-woocommerce"),
            Role::OrderIngest => ("ORDERS", "order-ingest"),
            Role::ProductCatalog => ("PRODUCTS", "product-catalog"),
            Role::StockPublisher => ("ERP_STOCK", "stock-intake"),
            Role::PricePublisher => ("ERP_PRICE", "price-intake"),
        };
        let in_work = self.in_work(consumer.0, consumer.1).await?;
        Ok((in_work > 0).then(|| format!("{in_work} messages of {}", consumer.1)))
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

    /// Poll jobs that wait or are in work.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn jobs(&self) -> anyhow::Result<u64> {
        let asking = async { anyhow::Ok(self.jetstream.get_stream("JOBS").await?) };
        let stream = tokio::time::timeout(ANSWER_LIMIT, asking)
            .await
            .context("the broker is too slow")??;
        Ok(stream.cached_info().state.messages)
    }

    /// Messages of a consumer that were delivered and not yet acknowledged.
    async fn in_work(&self, stream: &str, consumer: &str) -> anyhow::Result<usize> {
        let asking = self
            .jetstream
            .get_consumer_from_stream::<async_nats::jetstream::consumer::pull::Config, _, _>(
                consumer, stream,
            );
        let consumer: PullConsumer = tokio::time::timeout(ANSWER_LIMIT, asking)
            .await
            .context("the broker is too slow")??;
        Ok(consumer.cached_info().num_ack_pending)
    }
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
}
