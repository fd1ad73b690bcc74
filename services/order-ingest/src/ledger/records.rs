//! Where the ledger is kept.

use async_trait::async_trait;
use storelink_model::Timestamp;
use storelink_persistence::{Database, DbError, Transaction};

use super::entry::Entry;
use super::rows::{self, Writes};
use super::{Arrival, Entries, codes};
use crate::IngestError;

/// Where the ledger is kept.
#[async_trait]
pub trait LedgerRecords: Send + Sync {
    /// Begins a transaction; dropping it undoes what it did.
    async fn begin(&self) -> Result<Box<dyn LedgerTransaction>, DbError>;
}

/// What one transaction does: nobody sees anything of it before it is committed.
#[async_trait]
pub trait LedgerTransaction: Send {
    /// Makes the rows of orders that are new, with revision 0, and locks all of them: waits for others
    /// that have one of them, and gives what those wrote.
    async fn lock(&mut self, arrivals: &[Arrival], now: Timestamp) -> Result<Entries, IngestError>;

    /// Fetches the codes that lines had, for orders that have lines without one.
    async fn recall(
        &mut self,
        arrivals: &[Arrival],
        entries: &mut Entries,
    ) -> Result<(), IngestError>;

    /// Writes what was decided: orders that changed, and everything of `writes`.
    async fn save(&mut self, entries: Vec<Entry>, writes: Writes) -> Result<(), DbError>;

    /// Makes it last. After an error it may have lasted all the same.
    async fn commit(self: Box<Self>) -> Result<(), DbError>;
}

#[async_trait]
impl LedgerRecords for Database {
    async fn begin(&self) -> Result<Box<dyn LedgerTransaction>, DbError> {
        Ok(Box::new(Self::begin(self).await?))
    }
}

#[async_trait]
impl LedgerTransaction for Transaction {
    async fn lock(&mut self, arrivals: &[Arrival], now: Timestamp) -> Result<Entries, IngestError> {
        rows::lock(self, arrivals, now).await
    }

    async fn recall(
        &mut self,
        arrivals: &[Arrival],
        entries: &mut Entries,
    ) -> Result<(), IngestError> {
        codes::recall(self, arrivals, entries).await
    }

    async fn save(&mut self, entries: Vec<Entry>, writes: Writes) -> Result<(), DbError> {
        rows::save(self, entries.into_iter(), writes).await
    }

    async fn commit(self: Box<Self>) -> Result<(), DbError> {
        Self::commit(*self).await
    }
}
