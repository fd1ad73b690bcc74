//! Writes committed values to the last-value stream, so that no older one ever replaces a newer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use storelink_bus::{Publication, PublishError, TraceContext};
use storelink_model::Timestamp;
use storelink_persistence::DbError;
use storelink_planted_faults::planted;
use uuid::Uuid;

use super::log::ValueLog;
use super::mirror::{Mirror, MirrorRow};
use crate::kind::{LaneKind, Level, LevelKey};
use crate::levels::Levels;

/// Contests for one key before the work is given back to be tried later.
const CONTESTS: usize = 16;

/// A value could not be written to the stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueStreamError {
    /// The broker refused it or did not answer.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The committed row could not be read.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The stream's last value could not be read.
    #[error("the last value of {subject} cannot be read: {text}")]
    Read { subject: String, text: String },
    /// Others wrote the same key all the time.
    #[error("{0} is written by others all the time")]
    Contested(String),
}

/// The last-value stream of one kind.
pub(crate) struct ValueStream<K: LaneKind> {
    log: Arc<dyn ValueLog>,
    mirror: Mirror<K>,
    levels: Levels<K>,
    ids: MessageIds,
}

/// Message ids that no other process uses, made without asking the system for chance each time.
struct MessageIds {
    process: String,
    next: AtomicU64,
}

impl MessageIds {
    fn next(&self) -> String {
        format!(
            "{}-{}",
            self.process,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }
}

/// What becomes of a value that the stream holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// It gets a new sequence.
    Fenced,
    Left,
}

/// What the stream holds of a key.
struct Last<V> {
    /// None when there is nothing, or what is there cannot be read: that counts for nothing, and is
    /// published over.
    level: Option<Level<V>>,
    /// 0 when there is nothing.
    sequence: u64,
}

/// A committed value on its way.
pub(crate) struct Outgoing<K: LaneKind> {
    pub(crate) row: MirrorRow<K>,
    pub(crate) trace: Option<Arc<str>>,
}

impl<K: LaneKind> ValueStream<K> {
    pub(crate) fn new(log: Arc<dyn ValueLog>, mirror: Mirror<K>, levels: Levels<K>) -> Self {
        let process = Uuid::now_v7().simple().to_string();
        let next = AtomicU64::new(0);
        let ids = MessageIds { process, next };
        Self {
            log,
            mirror,
            levels,
            ids,
        }
    }

    pub(crate) fn mirror(&self) -> &Mirror<K> {
        &self.mirror
    }

    /// Writes values that were just committed and tells the lanes of each as soon as it is
    /// acknowledged. One that the stream holds already is written again: between equal versions
    /// another process may be about to write what was committed before it, and the new sequence
    /// refuses that.
    pub(crate) async fn publish(
        &self,
        values: Vec<Outgoing<K>>,
    ) -> Result<usize, ValueStreamError> {
        self.write(values, Held::Fenced).await
    }

    /// Writes the committed values that the stream does not hold.
    pub(crate) async fn complete(
        &self,
        values: Vec<Outgoing<K>>,
    ) -> Result<usize, ValueStreamError> {
        self.write(values, Held::Left).await
    }

    async fn write(
        &self,
        values: Vec<Outgoing<K>>,
        equal: Held,
    ) -> Result<usize, ValueStreamError> {
        let made = self.levels.made();
        let mut window = self.log.window();
        let mut sent = Vec::with_capacity(values.len());
        let mut unclear = Vec::new();
        for value in values {
            // Version and sequence are read together: a sequence alone would let an older value
            // follow a newer one that was read meanwhile.
            let expected = match self.levels.get(&value.row.key) {
                Some(cell) if cell.sequence > 0 => match stands(&value.row.level, &cell.level) {
                    Stands::Later => cell.sequence,
                    Stands::Same if equal == Held::Fenced => cell.sequence,
                    Stands::Same | Stands::Covered => continue,
                    Stands::Unclear => {
                        unclear.push(value);
                        continue;
                    }
                },
                _ => 0,
            };
            window.push(self.publication(&value, expected)).await;
            sent.push(value);
        }
        let results = window.settle().await;
        let count = sent.len() + unclear.len();
        let now = Timestamp::now();
        for (value, result) in sent.into_iter().zip(results) {
            match result {
                Ok(published) => {
                    let Outgoing { row, trace } = value;
                    let sequence = published.sequence;
                    self.levels
                        .apply_in(made, &row.key, row.level, sequence, trace, now);
                }
                Err(PublishError::WrongLastSequence { .. }) => self.contest(value, equal).await?,
                Err(error) => return Err(error.into()),
            }
        }
        for value in unclear {
            self.contest(value, equal).await?;
        }
        Ok(count)
    }

    /// The stream holds something else than expected: what is committed and what it holds are read
    /// again, and the later one stays.
    async fn contest(&self, mut value: Outgoing<K>, equal: Held) -> Result<(), ValueStreamError> {
        let subject = K::subject(&value.row.key);
        for _ in 0..CONTESTS {
            let made = self.levels.made();
            let held = self.held(&subject).await?;
            // After the stream, so that it is never behind what the stream held: between equal
            // versions it tells which event came later.
            if let Some(row) = self.mirror.rows().get(&value.row.key).await?
                && !planted!(ContestOverwrites)
            {
                value.row = row;
            }
            if let Some(level) = held.level
                && match stands(&value.row.level, &level) {
                    Stands::Covered => true,
                    Stands::Same => equal == Held::Left,
                    Stands::Later | Stands::Unclear => false,
                }
                && !planted!(ContestOverwrites)
            {
                let now = Timestamp::now();
                self.levels
                    .apply_in(made, &value.row.key, level, held.sequence, None, now);
                return Ok(());
            }
            let publication = self.publication(&value, held.sequence);
            match self.log.publish(publication).await {
                Ok(published) => {
                    let Outgoing { row, trace } = value;
                    let now = Timestamp::now();
                    let sequence = published.sequence;
                    self.levels
                        .apply_in(made, &row.key, row.level, sequence, trace, now);
                    return Ok(());
                }
                Err(PublishError::WrongLastSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ValueStreamError::Contested(subject))
    }

    fn publication(&self, value: &Outgoing<K>, expected: u64) -> Publication {
        let key: &LevelKey<K::Source> = &value.row.key;
        let publication = Publication::new(K::subject(key), K::encode(key, &value.row.level))
            .message_id(self.ids.next())
            .expect_last_subject_sequence(expected);
        let trace = value
            .trace
            .as_deref()
            .and_then(|trace| TraceContext::new(trace, None));
        match trace {
            Some(trace) => publication.trace(&trace),
            None => publication,
        }
    }

    async fn held(&self, subject: &str) -> Result<Last<K::Value>, ValueStreamError> {
        let failed = |text: String| ValueStreamError::Read {
            subject: subject.to_owned(),
            text,
        };
        Ok(match self.log.last(subject).await.map_err(failed)? {
            Some((payload, sequence)) => Last {
                // The reader of the stream has told of one that cannot be read.
                level: K::decode(&payload).ok().map(|(_, level)| level),
                sequence,
            },
            None => Last {
                level: None,
                sequence: 0,
            },
        })
    }
}

/// How a committed value stands to a held one.
enum Stands {
    /// It replaces it.
    Later,
    /// The held one is equal in version and value.
    Same,
    /// The held one is later.
    Covered,
    /// Only what is committed now tells: equal versions are ordered by their events, and those of two
    /// orders not at all.
    Unclear,
}

fn stands<V: PartialEq>(committed: &Level<V>, held: &Level<V>) -> Stands {
    match committed.version.compare(held.version) {
        Ok(std::cmp::Ordering::Greater) => Stands::Later,
        Ok(std::cmp::Ordering::Equal) if committed.value == held.value => Stands::Same,
        Ok(std::cmp::Ordering::Equal) if planted!(EqualTimesOverwrite) => Stands::Later,
        Ok(std::cmp::Ordering::Less) => Stands::Covered,
        Ok(std::cmp::Ordering::Equal) | Err(_) => Stands::Unclear,
    }
}

#[cfg(test)]
mod tests;
