//! Reads events and writes them to the stores.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::RetentionPolicy;
use async_nats::jetstream::{self, Message};
use futures::StreamExt as _;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use storelink_simulators::woocommerce::ApiKey;
use storelink_test_support::api::http_client;

use super::pile::{Change, Event, Pile};
use super::{Job, STREAM};
use crate::sink::{article_of, body};

/// Events that are asked for at once.
const PULLED: usize = 500;
/// Events that may be in work at once.
const IN_WORK: i64 = 100_000;
const STREAM_BYTES: i64 = 256 * 1024 * 1024;
const AGAIN_AFTER: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct StockChanged<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    sku: Cow<'a, str>,
    #[serde(borrow)]
    quantity: Cow<'a, str>,
}

/// Makes the stream that all floors read from.
pub(crate) async fn create_stream(jetstream: &jetstream::Context) -> anyhow::Result<()> {
    let config = jetstream::stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["floor.*.stock.changed".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        max_bytes: STREAM_BYTES,
        ..jetstream::stream::Config::default()
    };
    jetstream.get_or_create_stream(config).await?;
    Ok(())
}

/// Works until it fails. `ready` is called when it reads.
pub(crate) async fn run(job: Job, ready: impl FnOnce()) -> anyhow::Result<()> {
    let consumer = consumer(&job).await?;
    let client = http_client()?;
    let piles: Vec<Arc<Pile>> = job.stores.iter().map(|_| Arc::default()).collect();
    let mut stores = tokio::task::JoinSet::new();
    for (address, pile) in job.stores.iter().zip(&piles) {
        let url = format!("{address}/wp-json/wc/v3/products/batch");
        stores.spawn(write(client.clone(), url, Arc::clone(pile)));
    }
    let mut messages = consumer
        .stream()
        .max_messages_per_batch(PULLED)
        .messages()
        .await?
        .ready_chunks(PULLED);
    ready();
    loop {
        tokio::select! {
            chunk = messages.next() => {
                let mut changes = Vec::with_capacity(PULLED);
                for message in chunk.context("the broker ends")? {
                    read(message?, piles.len(), &mut changes)?;
                }
                piles.iter().for_each(|pile| pile.add(&changes));
            }
            Some(ended) = stores.join_next() => ended??,
        }
    }
}

async fn consumer(job: &Job) -> anyhow::Result<PullConsumer> {
    let client = async_nats::connect(&job.broker).await?;
    let jetstream = jetstream::new(client);
    let config = pull::Config {
        durable_name: Some(job.fleet.clone()),
        filter_subject: job.subject(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(60),
        max_ack_pending: IN_WORK,
        ..pull::Config::default()
    };
    let consumer = jetstream.create_consumer_on_stream(config, STREAM).await;
    consumer.context("the floor's consumer")
}

fn read(message: Message, stores: usize, changes: &mut Vec<Change>) -> anyhow::Result<()> {
    let payload = message.payload.clone();
    let event: StockChanged<'_> = serde_json::from_slice(&payload)?;
    let items = event.data.items;
    let whole = Event::new(message, items.len() * stores);
    for item in items {
        let article = article_of(&item.sku).context("an article of the benchmark")?;
        changes.push(Change {
            id: u64::try_from(article)? + 1,
            value: item.quantity.parse()?,
            event: Some(Arc::clone(&whole)),
        });
    }
    Ok(())
}

/// One store: a request, its answer, the next one.
async fn write(client: Client, url: String, pile: Arc<Pile>) -> anyhow::Result<()> {
    let key = ApiKey::default_pair();
    loop {
        let batch = pile.take().await;
        let document = body(batch.rows.iter().copied());
        while let Err(failure) = post(&client, &url, &key, &document).await {
            ensure!(failure.is_connect() || failure.is_timeout(), failure);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        for event in &batch.events {
            event.delivered().await?;
        }
    }
}

async fn post(
    client: &Client,
    url: &str,
    key: &ApiKey,
    document: &str,
) -> Result<(), reqwest::Error> {
    let request = client
        .post(url)
        .basic_auth(&key.key, Some(&key.secret))
        .header(CONTENT_TYPE, "application/json")
        .body(document.to_owned());
    let answer = request.send().await?.error_for_status()?;
    answer.bytes().await.map(drop)
}
