//! The one writer of a publisher's records: what many lanes have to say becomes one transaction.

use std::sync::Arc;
use std::time::Duration;

use storelink_model::ConnectionId;
use storelink_persistence::DbError;
use storelink_planted_faults::planted;
use storelink_runtime::sleep;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Attempt, LaneName, LaneRecords, LaneRows, Note};

/// Commands that wait; more make the lanes wait.
const WAITING: usize = 1_024;
/// Commands of one transaction.
const TOGETHER: usize = 256;
/// Notes kept while the database does not answer; more make the lanes wait.
const KEPT: usize = 20_000;
const PAUSE: Duration = Duration::from_millis(500);

/// An attempt was not noted, so it must not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BeginError {
    /// Another process owns the lane.
    #[error("the lane belongs to another process now")]
    NotOwner,
    /// The database did not take it.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The publisher is ending.
    #[error("the publisher is ending")]
    Ending,
}

enum Command {
    Begin(Attempt, oneshot::Sender<Result<(), BeginError>>),
    Note(Arc<LaneName>, Vec<Note>),
}

/// Hands records to the writer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Records {
    commands: mpsc::Sender<Command>,
    rows: Arc<dyn LaneRecords>,
    parked: Arc<Notify>,
}

impl Records {
    /// Starts the writer, and gives what tells that it ended: when all handles are dropped and
    /// everything is written, or `abandon` is cancelled.
    pub(crate) fn start(
        rows: Arc<dyn LaneRecords>,
        abandon: CancellationToken,
    ) -> (Self, oneshot::Receiver<()>) {
        let (commands, waiting) = mpsc::channel(WAITING);
        let parked = Arc::new(Notify::new());
        let writer = Writer {
            rows: rows.clone(),
            waiting,
            kept: Vec::new(),
            parked: parked.clone(),
        };
        let (ended, end) = oneshot::channel();
        storelink_runtime::spawn(async move {
            tokio::select! {
                biased;
                () = abandon.cancelled() => {}
                () = writer.run() => {}
            }
            ended.send(()).ok();
        });
        let records = Self {
            commands,
            rows,
            parked,
        };
        (records, end)
    }

    /// Reads what is kept of a lane.
    pub(crate) async fn read(&self, connection: &ConnectionId) -> Result<LaneRows, DbError> {
        self.rows.read(connection).await
    }

    /// Removes what waits for a connection that was deleted.
    pub(crate) async fn forget(&self, connection: &ConnectionId) -> Result<(), DbError> {
        self.rows.forget(connection).await
    }

    /// Notes an attempt before it is made. It is committed when this returns.
    pub(crate) async fn begin(&self, attempt: Attempt) -> Result<(), BeginError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Begin(attempt, answer)).await;
        sent.map_err(|_| BeginError::Ending)?;
        if planted!(SendBeforeAttempt) {
            return Ok(());
        }
        answered.await.map_err(|_| BeginError::Ending)?
    }

    /// Notes something after the fact: all of it or nothing, in the order of the calls. It is
    /// committed soon; should the process die before, the unfinished attempt tells of it.
    pub(crate) async fn note(&self, lane: &Arc<LaneName>, notes: Vec<Note>) {
        if !notes.is_empty()
            && self
                .commands
                .send(Command::Note(lane.clone(), notes))
                .await
                .is_err()
        {
            tracing::debug!(connection = %lane.connection, "a record is left to the next start");
        }
    }

    /// Told whenever something was parked.
    pub(crate) fn parked(&self) -> Arc<Notify> {
        self.parked.clone()
    }
}

struct Writer {
    rows: Arc<dyn LaneRecords>,
    waiting: mpsc::Receiver<Command>,
    /// What the database has not taken yet.
    kept: Vec<(Arc<LaneName>, Note)>,
    parked: Arc<Notify>,
}

impl Writer {
    async fn run(mut self) {
        let mut commands = Vec::new();
        loop {
            let open = self.next(&mut commands).await;
            let mut begins = Vec::new();
            for command in commands.drain(..) {
                match command {
                    Command::Begin(attempt, answer) => begins.push((attempt, answer)),
                    Command::Note(lane, notes) => {
                        self.kept
                            .extend(notes.into_iter().map(|note| (lane.clone(), note)));
                    }
                }
            }
            self.commit(begins).await;
            if !open && self.kept.is_empty() {
                return;
            }
        }
    }

    /// Waits for commands; after a failure only for a while. False when no more can come.
    async fn next(&mut self, commands: &mut Vec<Command>) -> bool {
        if self.kept.is_empty() {
            return self.waiting.recv_many(commands, TOGETHER).await > 0;
        }
        if self.kept.len() >= KEPT {
            sleep(PAUSE).await;
            return true;
        }
        sleep(PAUSE).await;
        while commands.len() < TOGETHER {
            match self.waiting.try_recv() {
                Ok(command) => commands.push(command),
                Err(mpsc::error::TryRecvError::Empty) => return true,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    async fn commit(&mut self, begins: Vec<(Attempt, oneshot::Sender<Result<(), BeginError>>)>) {
        if begins.is_empty() && self.kept.is_empty() {
            return;
        }
        let attempts: Vec<&Attempt> = begins.iter().map(|(attempt, _)| attempt).collect();
        match self.rows.commit(&attempts, &self.kept).await {
            Ok(accepted) => {
                for (attempt, answer) in begins {
                    let known = accepted
                        .contains(&(attempt.lane.connection.as_str().to_owned(), attempt.number));
                    answer
                        .send(if known {
                            Ok(())
                        } else {
                            Err(BeginError::NotOwner)
                        })
                        .ok();
                }
                self.committed().await;
            }
            Err(error) => {
                for (_, answer) in begins {
                    answer.send(Err(BeginError::Database(error.clone()))).ok();
                }
                if error.is_transient() {
                    tracing::warn!(%error, kept = self.kept.len(), "records wait for the database");
                } else {
                    self.commit_one_by_one(&error).await;
                }
            }
        }
    }

    async fn committed(&mut self) {
        let parked = self
            .kept
            .iter()
            .any(|(_, note)| matches!(note, Note::Park { .. }));
        for (lane, note) in self.kept.drain(..) {
            if let Note::Snapshot { .. } = note {
                self.rows.drop_old_attempts(&lane.connection).await;
            }
        }
        if parked {
            self.parked.notify_one();
        }
    }

    /// One record that the database refuses must not keep all others from it.
    async fn commit_one_by_one(&mut self, error: &DbError) {
        tracing::error!(%error, kept = self.kept.len(), "records are refused by the database");
        for kept in std::mem::take(&mut self.kept) {
            let one = std::slice::from_ref(&kept);
            match self.rows.commit(&[], one).await {
                Ok(_) => {}
                Err(error) if error.is_transient() => self.kept.push(kept),
                Err(error) => {
                    tracing::error!(%error, connection = %kept.0.connection, "a record is lost");
                }
            }
        }
        self.parked.notify_one();
    }
}
