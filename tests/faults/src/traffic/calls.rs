//! Stores that call about their orders, some of them twice and late, as hints on the broker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use storelink_test_support::erp::Erp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::Counts;

/// One of so many calls comes again…
const TWICE_OF: u32 = 3;
/// … within this time.
const LATER_MS: u64 = 8_000;
/// While the broker is away the stores' calls wait here.
const WAITING: usize = 4_096;

/// What a store calls about.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The connection of the store.
    pub(super) connection: String,
    /// The store's id of the order.
    pub(super) order: u64,
}

pub(super) fn channel() -> (mpsc::Sender<Call>, mpsc::Receiver<Call>) {
    mpsc::channel(WAITING)
}

/// Hands calls on until the stores are closed and the late ones are made.
pub(super) async fn go_on(
    counts: Arc<Counts>,
    mut random: StdRng,
    broker: Arc<Erp>,
    mut calls: mpsc::Receiver<Call>,
) -> anyhow::Result<()> {
    let mut late: VecDeque<(Instant, Call)> = VecDeque::new();
    loop {
        let next = late.iter().map(|(due, _)| *due).min();
        let call = match next {
            Some(due) => timeout_at(due, calls.recv()).await,
            None => Ok(calls.recv().await),
        };
        match call {
            Ok(Some(call)) => {
                if random.random_range(0..TWICE_OF) == 0 {
                    let wait = Duration::from_millis(random.random_range(0..LATER_MS));
                    late.push_back((Instant::now() + wait, call.clone()));
                }
                say(&broker, &counts, &call).await?;
            }
            Ok(None) => break,
            Err(_) => {}
        }
        let now = Instant::now();
        for (due, call) in std::mem::take(&mut late) {
            if due <= now {
                say(&broker, &counts, &call).await?;
            } else {
                late.push_back((due, call));
            }
        }
    }
    for (_, call) in late {
        say(&broker, &counts, &call).await?;
    }
    Ok(())
}

/// What the webhook gateway makes of a call.
async fn say(broker: &Erp, counts: &Counts, call: &Call) -> anyhow::Result<()> {
    let hint: Value = json!({
        "connection": call.connection,
        "platform": "woocommerce",
        "entity": "orders",
        "external_id": call.order.to_string(),
        "received_at": OffsetDateTime::now_utc().format(&Rfc3339)?,
    });
    let subject = format!("hook.woocommerce.{}", call.connection);
    let id = Uuid::now_v7().to_string();
    broker.publish_raw(&subject, &id, &hint).await?;
    counts.announced.fetch_add(1, Ordering::SeqCst);
    Ok(())
}
