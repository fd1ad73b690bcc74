//! What every process answers to the broker about its messages. Whoever listens to that changes
//! nothing: the broker itself is the one that the answers are for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::Message;
use futures::StreamExt as _;
use storelink_test_support::system::inbox_prefix;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SUBJECTS: &str = "$JS.ACK.>";
/// Our own message between theirs: when it is back, everything before it was heard.
const MARK: &str = "$JS.ACK.faults";
const MARK_LIMIT: Duration = Duration::from_secs(1);
const MARKS: usize = 10;
/// Not an answer but a sign of life: the work goes on.
const IN_PROGRESS: &[u8] = b"+WPI";

/// Hears the answers.
pub struct Acks {
    client: async_nats::Client,
    settled: Arc<Mutex<Settled>>,
    heard: watch::Receiver<u64>,
    marks: AtomicU64,
    listening: JoinHandle<()>,
}

/// How many messages were settled so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// By consumer and first two tokens of the subject for the confirmation, which names the process; empty
    /// where none is asked for, as when a message is given back.
    counts: BTreeMap<(String, String), u64>,
}

impl Acks {
    /// Begins to listen at the broker with this address.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn listen(broker: &str) -> anyhow::Result<Self> {
        let client = async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .connect(broker);
        let client = client.await.context("the broker does not answer")?;
        let mut messages = client.subscribe(SUBJECTS).await?;
        let settled = Arc::new(Mutex::new(Settled::default()));
        let (hears, heard) = watch::channel(0);
        let counted = Arc::clone(&settled);
        let listening = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                match mark(&message) {
                    Some(number) => drop(hears.send_replace(number)),
                    None => lock(&counted).note(&message),
                }
            }
        });
        Ok(Self {
            client,
            settled,
            heard,
            marks: AtomicU64::new(0),
            listening,
        })
    }

    /// Everything that the broker had heard when this was asked.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn so_far(&self) -> anyhow::Result<Settled> {
        let number = self.marks.fetch_add(1, Ordering::SeqCst) + 1;
        let mut heard = self.heard.clone();
        for _ in 0..MARKS {
            // A mark may be lost with the broker.
            let subject = format!("{MARK}.{number}");
            self.client.publish(subject, Vec::new().into()).await?;
            let back = heard.wait_for(|heard| *heard >= number);
            if let Ok(back) = timeout(MARK_LIMIT, back).await {
                back.context("nobody listens to the broker any more")?;
                return Ok(lock(&self.settled).clone());
            }
        }
        bail!("the broker does not answer")
    }
}

impl Drop for Acks {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Settled {
    fn note(&mut self, message: &Message) {
        let Some(consumer) = consumer_of(&message.subject) else {
            return;
        };
        if message.payload.starts_with(IN_PROGRESS) {
            return;
        }
        let confirmed_to = message
            .reply
            .as_ref()
            // The place of a role's user, and the process.
            .and_then(|reply| {
                let (end, _) = reply.match_indices('.').nth(1)?;
                reply.get(..end)
            });
        let key = (
            consumer.to_owned(),
            confirmed_to.unwrap_or_default().to_owned(),
        );
        *self.counts.entry(key).or_default() += 1;
    }

    /// How many messages of a consumer a process may have settled since an earlier moment: its own
    /// confirmations, and whatever anybody gave back.
    #[must_use]
    pub fn since(&self, earlier: &Self, process: &str, consumer: &str) -> u64 {
        let inbox = inbox_prefix(process);
        let count = |settled: &Self, from: &str| {
            let key = (consumer.to_owned(), from.to_owned());
            settled.counts.get(&key).copied().unwrap_or_default()
        };
        let more = |from: &str| count(self, from).saturating_sub(count(earlier, from));
        more(&inbox) + more("")
    }
}

/// `$JS.ACK.<stream>.<consumer>.…`, or with domain and account before the stream.
fn consumer_of(subject: &str) -> Option<&str> {
    let tokens: Vec<&str> = subject.split('.').collect();
    let place = match tokens.len() {
        9 => 3,
        11.. => 5,
        _ => return None,
    };
    tokens.get(place).copied()
}

fn mark(message: &Message) -> Option<u64> {
    let number = message.subject.strip_prefix(MARK)?;
    number.strip_prefix('.')?.parse().ok()
}

fn lock(settled: &Mutex<Settled>) -> std::sync::MutexGuard<'_, Settled> {
    settled.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subject: &str, reply: Option<&str>, payload: &'static [u8]) -> Message {
        Message {
            subject: subject.into(),
            reply: reply.map(Into::into),
            payload: payload.into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn what_a_process_settled_is_told_from_what_others_did() {
        let subject = "$JS.ACK.JOBS.poller-woocommerce.1.7.9.1700000000000000000.0";
        let mut settled = Settled::default();
        settled.note(&message(
            subject,
            Some("_INBOX_poller-woocommerce.poller.a.1"),
            b"+ACK",
        ));
        let before = settled.clone();
        let of = |settled: &Settled, process| settled.since(&before, process, "poller-woocommerce");
        settled.note(&message(
            subject,
            Some("_INBOX_poller-woocommerce.poller-2.b.1"),
            b"+ACK",
        ));
        settled.note(&message(subject, None, b"+WPI"));
        assert_eq!((of(&settled, "poller"), of(&settled, "poller-2")), (0, 1));
        settled.note(&message(subject, None, b"-NAK {\"delay\":1}"));
        assert_eq!((of(&settled, "poller"), of(&settled, "poller-2")), (1, 2));
        assert_eq!(settled.since(&before, "poller", "order-ingest"), 0);
    }
}
