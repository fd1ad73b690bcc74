//! The limits of the machine as a client meets them: a process of its own, so that its processor time is
//! its own.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use clap::Args;
use futures::StreamExt as _;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use storelink_test_support::api::http_client;

use crate::feed::IN_FLIGHT;
use crate::process::Processes;
use crate::sink::body;

const STREAM: &str = "LIMITS";
const SUBJECT: &str = "limits.published";
/// What a message has.
const MESSAGE: usize = 300;
/// What a trivial request has.
const REQUEST: usize = 200;
const ROWS: u64 = 100;
const REQUESTS_IN_FLIGHT: usize = 32;
const STREAM_BYTES: i64 = 512 * 1024 * 1024;

/// Where the load goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Address of the broker.
    #[arg(long)]
    pub(crate) broker: String,
    /// Address of a sink with at least 100 articles.
    #[arg(long)]
    pub(crate) sink: String,
    /// How long each is done.
    #[arg(long)]
    pub(crate) milliseconds: u64,
}

/// What was done, in how much time and processor time of the client.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) operations: u64,
    pub(crate) elapsed_us: u64,
    pub(crate) processor_us: u64,
}

/// All limits.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Publications to a file stream with up to 512 not yet acknowledged.
    pub(crate) publish: Done,
    /// Messages read and each acknowledged.
    pub(crate) read: Done,
    /// Requests that are answered without a look, 32 in flight.
    pub(crate) requests: Done,
    /// Batches of 100 rows whose values are recorded, 32 in flight.
    pub(crate) batches: Done,
}

impl Done {
    pub(crate) fn per_second(self) -> u64 {
        self.operations * 1_000_000 / self.elapsed_us.max(1)
    }

    /// Nanoseconds of processor time of one operation.
    pub(crate) fn processor_ns(self) -> u64 {
        self.processor_us * 1_000 / self.operations.max(1)
    }
}

impl Target {
    /// Measures in a process of its own.
    pub(crate) async fn measured_apart(&self) -> anyhow::Result<Limits> {
        measured_by(&std::env::current_exe()?, self).await
    }
}

async fn measured_by(program: &Path, target: &Target) -> anyhow::Result<Limits> {
    let output = tokio::process::Command::new(program)
        .args(["load", "--broker", &target.broker, "--sink", &target.sink])
        .args(["--milliseconds", &target.milliseconds.to_string()])
        .kill_on_drop(true)
        .output()
        .await?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the load failed: {words}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The subcommand: measures and prints.
#[expect(clippy::print_stdout, reason = "the output of the program")]
pub(crate) async fn serve(target: Target) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&measure(&target).await?)?);
    Ok(())
}

/// Measures one after the other.
pub(crate) async fn measure(target: &Target) -> anyhow::Result<Limits> {
    let time = Duration::from_millis(target.milliseconds);
    let jetstream = jetstream::new(async_nats::connect(&target.broker).await?);
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        max_bytes: STREAM_BYTES,
        ..stream::Config::default()
    };
    jetstream.create_stream(config).await?;
    let publish = publish(&jetstream, time).await?;
    let read = read(&jetstream, publish.operations, time).await?;
    jetstream.delete_stream(STREAM).await?;
    let trivial = format!("{}/trivial", target.sink);
    let batches = format!("{}/wp-json/wc/v3/products/batch", target.sink);
    let rows = (1..=ROWS).map(|id| (id, 1));
    Ok(Limits {
        publish,
        read,
        requests: post(&trivial, "x".repeat(REQUEST), time).await?,
        batches: post(&batches, body(rows), time).await?,
    })
}

/// Begins to measure, and tells what came of it.
struct Watch {
    began: Instant,
    processes: Processes,
    used: Duration,
}

impl Watch {
    fn start() -> anyhow::Result<Self> {
        let processes = Processes::of([std::process::id()]);
        Ok(Self {
            used: processes.processor_time()?,
            began: Instant::now(),
            processes,
        })
    }

    fn stop(&self, operations: u64) -> anyhow::Result<Done> {
        let elapsed = self.began.elapsed();
        let used = self.processes.processor_time()?.saturating_sub(self.used);
        Ok(Done {
            operations,
            elapsed_us: elapsed.as_micros().try_into()?,
            processor_us: used.as_micros().try_into()?,
        })
    }
}

async fn publish(jetstream: &jetstream::Context, time: Duration) -> anyhow::Result<Done> {
    let payload = Bytes::from("x".repeat(MESSAGE));
    let mut open = VecDeque::with_capacity(IN_FLIGHT);
    let mut operations = 0;
    let watch = Watch::start()?;
    while watch.began.elapsed() < time {
        open.push_back(jetstream.publish(SUBJECT, payload.clone()).await?);
        operations += 1;
        if open.len() >= IN_FLIGHT
            && let Some(oldest) = open.pop_front()
        {
            oldest.await?;
        }
    }
    for one in open {
        one.await?;
    }
    watch.stop(operations)
}

async fn read(jetstream: &jetstream::Context, there: u64, time: Duration) -> anyhow::Result<Done> {
    let config = pull::Config {
        durable_name: Some("reader".to_owned()),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: 100_000,
        ..pull::Config::default()
    };
    let consumer = jetstream.create_consumer_on_stream(config, STREAM).await?;
    let messages = consumer.stream().max_messages_per_batch(500).messages();
    let mut messages = messages.await?;
    let mut operations = 0;
    let watch = Watch::start()?;
    while operations < there && watch.began.elapsed() < time {
        let message = messages.next().await.context("the broker ends")??;
        let acknowledged = message.ack().await;
        acknowledged.map_err(|error| anyhow::anyhow!("not acknowledged: {error}"))?;
        operations += 1;
    }
    watch.stop(operations)
}

async fn post(url: &str, document: String, time: Duration) -> anyhow::Result<Done> {
    let client = http_client()?;
    let document = Bytes::from(document);
    let watch = Watch::start()?;
    let until = watch.began + time;
    let senders = (0..REQUESTS_IN_FLIGHT).map(|_| {
        let (client, url, document) = (client.clone(), url.to_owned(), document.clone());
        tokio::spawn(async move {
            let mut operations = 0;
            while Instant::now() < until {
                let request = client.post(&url).body(document.clone());
                let answer = request.send().await?.error_for_status()?;
                answer.bytes().await?;
                operations += 1;
            }
            anyhow::Ok(operations)
        })
    });
    let counts = try_join_all(senders).await?;
    let counts = counts.into_iter().collect::<anyhow::Result<Vec<u64>>>()?;
    watch.stop(counts.iter().sum())
}
