//! What the stores of a fleet were given, and when. To wait for the last value costs nothing: each request
//! counts what it has brought to its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use tokio::sync::Notify;

use super::batch::Row;

/// A value that an article of a store was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) article: u32,
    pub(crate) value: u32,
    pub(crate) at_us: u64,
}

/// All that one store was given.
#[derive(Debug)]
pub(crate) struct Book {
    shown: Vec<u32>,
    pub(crate) writes: Vec<Write>,
    pub(crate) requests: u64,
    /// Rows that gave an article an older value than it showed.
    pub(crate) went_back: u64,
    /// Rows of articles that the store does not have.
    pub(crate) strange: u64,
}

impl Book {
    pub(crate) fn of(articles: usize) -> Self {
        Self {
            shown: vec![0; articles],
            writes: Vec::new(),
            requests: 0,
            went_back: 0,
            strange: 0,
        }
    }

    /// Writes a request down; answers how many articles show at least `wanted` now and did not before.
    pub(super) fn take(&mut self, rows: &[Row], at_us: u64, wanted: u32) -> u64 {
        self.requests += 1;
        let mut reached = 0;
        for row in rows {
            let (Some(article), Ok(value)) = (article_of(row.id), row.stock_quantity.try_into())
            else {
                self.strange += 1;
                continue;
            };
            let Some(shown) = self.shown.get_mut(article as usize) else {
                self.strange += 1;
                continue;
            };
            self.went_back += u64::from(value < *shown);
            reached += u64::from(*shown < wanted && value >= wanted);
            *shown = value;
            self.writes.push(Write {
                article,
                value,
                at_us,
            });
        }
        reached
    }

    /// What an article shows.
    pub(super) fn shown(&self, article: usize) -> u32 {
        self.shown.get(article).copied().unwrap_or(0)
    }

    /// Forgets the writes, and not what the articles show.
    pub(crate) fn clear(&mut self) {
        self.writes.clear();
        self.requests = 0;
        self.went_back = 0;
        self.strange = 0;
    }
}

/// Ids begin with 1.
fn article_of(id: u64) -> Option<u32> {
    u32::try_from(id.checked_sub(1)?).ok()
}

/// How far a fleet is with what it was told last.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The least value that counts.
    wanted: AtomicU64,
    reached: AtomicU64,
    last_us: AtomicU64,
    /// When this many are reached, somebody waits for it.
    awaited: AtomicU64,
    changed: Notify,
}

impl Tally {
    /// From now on articles count that come to show this value or a later one.
    pub(crate) fn expect(&self, wanted: u32) {
        self.reached.store(0, Ordering::SeqCst);
        self.last_us.store(0, Ordering::SeqCst);
        self.wanted.store(wanted.into(), Ordering::SeqCst);
    }

    pub(super) fn wanted(&self) -> u32 {
        u32::try_from(self.wanted.load(Ordering::SeqCst)).unwrap_or(u32::MAX)
    }

    pub(super) fn add(&self, reached: u64, at_us: u64) {
        if reached == 0 {
            return;
        }
        self.last_us.fetch_max(at_us, Ordering::SeqCst);
        let all = self.reached.fetch_add(reached, Ordering::SeqCst) + reached;
        if all >= self.awaited.load(Ordering::SeqCst) {
            self.changed.notify_waiters();
        }
    }

    /// Waits until so many articles count; answers when the last of them did.
    pub(crate) async fn reached(&self, number: u64, limit: Duration) -> anyhow::Result<u64> {
        self.awaited.store(number, Ordering::SeqCst);
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.reached.load(Ordering::SeqCst) >= number {
                    return;
                }
                changed.await;
            }
        };
        let in_time = tokio::time::timeout(limit, waiting).await.is_ok();
        let reached = self.reached.load(Ordering::SeqCst);
        ensure!(
            in_time,
            "{reached} of {number} articles show their last value after {limit:?}"
        );
        Ok(self.last_us.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64, stock_quantity: u64) -> Row {
        Row { id, stock_quantity }
    }

    #[test]
    fn an_article_counts_once_when_it_comes_to_the_wanted_value() {
        let mut book = Book::of(3);
        assert_eq!(book.take(&[row(1, 5), row(2, 10)], 100, 10), 1);
        assert_eq!(book.take(&[row(1, 10), row(2, 11)], 200, 10), 1);
        assert_eq!(book.take(&[row(2, 9)], 300, 10), 0);
        assert_eq!((book.requests, book.went_back, book.strange), (3, 1, 0));
        assert_eq!((book.shown(0), book.shown(1), book.shown(2)), (10, 9, 0));
        let last = Write {
            article: 1,
            value: 9,
            at_us: 300,
        };
        assert_eq!(book.writes.last(), Some(&last));
        assert_eq!(
            book.take(&[row(0, 1), row(4, 1), row(1, 1 << 40)], 400, 10),
            0
        );
        assert_eq!(book.strange, 3);
        book.clear();
        assert_eq!(
            (book.writes.len(), book.requests, book.shown(0)),
            (0, 0, 10)
        );
    }

    #[tokio::test]
    async fn who_waits_is_told_when_the_last_came() {
        let tally = Tally::default();
        tally.expect(7);
        tally.add(2, 50);
        let short = Duration::from_millis(20);
        assert!(tally.reached(3, short).await.is_err());
        let limit = Duration::from_secs(10);
        let (last, ()) = tokio::join!(tally.reached(3, limit), async { tally.add(1, 90) });
        assert_eq!(last.unwrap(), 90);
        tally.expect(8);
        assert!(tally.reached(1, short).await.is_err(), "it began anew");
    }
}
