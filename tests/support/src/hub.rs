//! What Storelink tells others: every event of the stream HUB, read from its beginning.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, consumer::DeliverPolicy};
use futures::StreamExt as _;
use serde_json::Value;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const STREAM: &str = "HUB";

/// One event as it lies on the stream.
#[derive(Debug, Clone)]
pub struct HubEvent {
    /// Its place in the stream.
    pub sequence: u64,
    /// The subject that it was published on.
    pub subject: String,
    /// The whole event.
    pub event: Value,
}

/// An event about an order, taken apart.
#[derive(Debug, Clone)]
pub struct OrderEvent {
    /// `received`, `updated`, `cancelled` or `refunded`.
    pub verb: String,
    /// Our id of the order.
    pub order_id: String,
    /// Its revision.
    pub revision: u64,
    /// The connection.
    pub connection: String,
    /// The store's id of the order.
    pub external_id: String,
    /// The whole event.
    pub event: Value,
}

/// Reads the stream of events; keeps what it has read.
pub struct Hub {
    jetstream: jetstream::Context,
    next: u64,
    events: Vec<HubEvent>,
}

impl Hub {
    /// Reads the events of the broker at this address.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let client = async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .connect(url);
        let client = client.await.context("the broker does not answer")?;
        Ok(Self {
            jetstream: jetstream::new(client),
            next: 1,
            events: Vec::new(),
        })
    }

    /// Reads what is new; answers everything so far.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn read(&mut self) -> anyhow::Result<&[HubEvent]> {
        let reading = tokio::time::timeout(ANSWER_LIMIT * 6, self.read_new());
        reading.await.context("the broker is too slow")??;
        Ok(&self.events)
    }

    /// Says something that no order is about.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn say_something(&self, tenant: &str) -> anyhow::Result<()> {
        let subject = format!("hub.{tenant}.product.seen");
        let said = self.jetstream.publish(subject, "{}".into()).await?;
        said.await?;
        Ok(())
    }

    /// Everything that was read.
    #[must_use]
    pub fn events(&self) -> &[HubEvent] {
        &self.events
    }

    /// The events about orders of a connection, by the store's id of the order, in order.
    #[must_use]
    pub fn orders_of(&self, connection: &str) -> BTreeMap<String, Vec<OrderEvent>> {
        let mut orders: BTreeMap<String, Vec<OrderEvent>> = BTreeMap::new();
        for event in self.events.iter().filter_map(OrderEvent::read) {
            if event.connection == connection {
                orders
                    .entry(event.external_id.clone())
                    .or_default()
                    .push(event);
            }
        }
        orders
    }

    /// The events on subjects that end like this, for example `event.rejected`.
    pub fn ending_in<'a>(&'a self, tail: &'a str) -> impl Iterator<Item = &'a HubEvent> {
        self.events
            .iter()
            .filter(move |event| event.subject.ends_with(tail))
    }

    async fn read_new(&mut self) -> anyhow::Result<()> {
        let stream = self.jetstream.get_stream(STREAM).await?;
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: self.next,
            },
            ..pull::OrderedConfig::default()
        };
        let last = stream.get_info().await?.state.last_sequence;
        if last < self.next {
            return Ok(());
        }
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        while self.next <= last {
            let message = tokio::time::timeout(ANSWER_LIMIT, messages.next()).await?;
            let message = message.context("the stream ended")??;
            let Ok(info) = message.info() else {
                bail!("a message has no place in its stream")
            };
            self.events.push(HubEvent {
                sequence: info.stream_sequence,
                subject: message.subject.to_string(),
                event: serde_json::from_slice(&message.payload)?,
            });
            self.next = info.stream_sequence + 1;
        }
        Ok(())
    }
}

impl OrderEvent {
    fn read(hub: &HubEvent) -> Option<Self> {
        let mut tokens = hub.subject.split('.').skip(2);
        let (kind, verb) = (tokens.next()?, tokens.next()?);
        if kind != "order" {
            return None;
        }
        let data = hub.event.get("data")?;
        let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            verb: verb.to_owned(),
            order_id: text("order_id")?,
            revision: data.get("revision")?.as_u64()?,
            connection: text("connection")?,
            external_id: text("external_id")?,
            event: hub.event.clone(),
        })
    }

    /// The order itself.
    #[must_use]
    pub fn order(&self) -> Option<&Value> {
        self.event.pointer("/data/order")
    }
}
