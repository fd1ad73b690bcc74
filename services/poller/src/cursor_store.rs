//! Cursors and read numbers.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{Database, DbError, args};
use storelink_planted_faults::planted;

use crate::PollerError;
use crate::cursor::{Cursor, Walk};
use crate::withheld::Withheld;

/// Where cursors and read numbers are kept.
#[async_trait]
pub trait CursorStore: Send + Sync {
    /// The cursor of an entity of a connection; none while nobody saved one.
    async fn cursor(
        &self,
        connection: &ConnectionId,
        entity: &str,
    ) -> Result<Option<SavedCursor>, DbError>;

    /// Saves a cursor under the next version if the version that is there is `expected`, 0 for none,
    /// and tells whether it did.
    async fn save_cursor(
        &self,
        connection: &ConnectionId,
        entity: &str,
        expected: i64,
        cursor: String,
        walk: Option<String>,
    ) -> Result<bool, DbError>;

    /// Draws the number of a read that is about to begin. Numbers of a connection only grow, also when
    /// this table is lost: they never fall behind the clock.
    async fn draw_read_number(&self, connection: &ConnectionId) -> Result<i64, DbError>;
}

/// A cursor as it is kept, in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCursor {
    /// How often it was saved.
    pub version: i64,
    /// A [`Kept`].
    pub cursor: String,
    /// The walk under way.
    pub walk: Option<String>,
}

/// A cursor as it was loaded: saving it succeeds only if nobody saved another one since.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) state: Kept,
    pub(crate) walk: Option<Walk>,
    connection: ConnectionId,
    entity: &'static str,
    /// 0 while there is no row.
    version: i64,
}

/// The cursor, and between which store and which stream it stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Up to where it is read.
    pub cursor: Cursor,
    /// The stream that what it speaks of was handed to.
    pub stream: Option<StreamIdentity>,
    /// The address of the store that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Orders that the cursor has passed without their contents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) withheld: Vec<Withheld>,
}

/// Why everything has to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anew {
    /// The stream was made anew or set back: what it held may never have reached its readers.
    Stream,
    /// The store is at another address, where the mark says nothing.
    Address,
}

impl Kept {
    /// Places it between the store at this address and this stream. Where it stood between others, all
    /// that is left is how wrong the store's clock was.
    pub(crate) fn place(&mut self, address: &str, stream: StreamIdentity) -> Option<Anew> {
        let other_stream = self.stream.is_some_and(|known| !stream.continues(known));
        let moved = self.address.as_deref().is_some_and(|at| at != address);
        let anew = match (other_stream, moved) {
            (true, _) => Some(Anew::Stream),
            (false, true) => Some(Anew::Address),
            (false, false) => None,
        };
        if anew.is_some() {
            *self = Self {
                cursor: Cursor {
                    clock_offset_micros: self.cursor.clock_offset_micros,
                    ..Cursor::default()
                },
                ..Self::default()
            };
        }
        self.stream = Some(stream);
        self.address = Some(address.to_owned());
        anew
    }

    /// How far the stream is known to have come.
    pub(crate) fn reached(&self) -> u64 {
        self.stream.map_or(0, |stream| stream.last_sequence)
    }

    /// Notes that the stream acknowledged messages up to there.
    pub(crate) fn acknowledged(&mut self, sequence: u64) {
        if let Some(stream) = &mut self.stream {
            stream.last_sequence = stream.last_sequence.max(sequence);
        }
    }
}

/// Which stream it is: one that was made anew, or restored from an older state, is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamIdentity {
    /// When it was made.
    pub created_micros: i64,
    /// The greatest sequence that it is known to have given.
    pub last_sequence: u64,
}

impl StreamIdentity {
    /// Whether this can be what `earlier` became.
    pub(crate) fn continues(self, earlier: Self) -> bool {
        planted!(StreamIdentityIgnored)
            || self.created_micros == earlier.created_micros
                && self.last_sequence >= earlier.last_sequence
    }
}

impl Loaded {
    /// Places the cursor; a walk between other places is not gone on with.
    pub(crate) fn place(&mut self, address: &str, stream: StreamIdentity) -> Option<Anew> {
        let anew = self.state.place(address, stream);
        if let Some(reason) = anew {
            let (connection, entity) = (&self.connection, self.entity);
            tracing::warn!(%connection, entity, ?reason, "everything is read again");
            self.walk = None;
        }
        anew
    }

    /// The cursor of an entity of a connection.
    pub(crate) async fn load(
        cursors: &dyn CursorStore,
        connection: &ConnectionId,
        entity: &'static str,
    ) -> Result<Self, PollerError> {
        let (version, state, walk) = match cursors.cursor(connection, entity).await? {
            None => (0, Kept::default(), None),
            Some(saved) => {
                let state = serde_json::from_str(&saved.cursor).unwrap_or_default();
                let walk = saved.walk.and_then(|walk| serde_json::from_str(&walk).ok());
                (saved.version, state, walk)
            }
        };
        Ok(Self {
            state,
            walk,
            connection: connection.clone(),
            entity,
            version,
        })
    }

    /// Saves it, unless another process saved one since it was loaded.
    pub(crate) async fn save(&mut self, cursors: &dyn CursorStore) -> Result<(), PollerError> {
        let text = |error: serde_json::Error| PollerError::Cursor(error.to_string());
        let cursor = serde_json::to_string(&self.state).map_err(text)?;
        let walk = self
            .walk
            .as_ref()
            .map(serde_json::to_string)
            .transpose()
            .map_err(text)?;
        let (connection, entity) = (&self.connection, self.entity);
        let saved = cursors
            .save_cursor(connection, entity, self.version, cursor, walk)
            .await?;
        if !saved {
            return Err(PollerError::Overtaken);
        }
        self.version += 1;
        Ok(())
    }
}

#[async_trait]
impl CursorStore for Database {
    async fn cursor(
        &self,
        connection: &ConnectionId,
        entity: &str,
    ) -> Result<Option<SavedCursor>, DbError> {
        let row = self
            .fetch_optional(
                "SELECT version, cursor, walk FROM cursors WHERE connection = $1 AND entity = $2",
                args![connection.as_str(), entity],
            )
            .await?;
        row.map(|row| {
            Ok(SavedCursor {
                version: row.int("version")?,
                cursor: row.text("cursor")?,
                walk: row.opt_text("walk")?,
            })
        })
        .transpose()
    }

    async fn save_cursor(
        &self,
        connection: &ConnectionId,
        entity: &str,
        expected: i64,
        cursor: String,
        walk: Option<String>,
    ) -> Result<bool, DbError> {
        let changed = if expected == 0 {
            self.execute(
                "INSERT INTO cursors (connection, entity, version, cursor, walk) \
                 VALUES ($1, $2, 1, $3, $4) ON CONFLICT (connection, entity) DO NOTHING",
                args![connection.as_str(), entity, cursor, walk],
            )
            .await?
        } else {
            self.execute(
                "UPDATE cursors SET version = version + 1, cursor = $3, walk = $4 \
                 WHERE connection = $1 AND entity = $2 AND version = $5",
                args![connection.as_str(), entity, cursor, walk, expected],
            )
            .await?
        };
        Ok(changed > 0)
    }

    async fn draw_read_number(&self, connection: &ConnectionId) -> Result<i64, DbError> {
        let row = self
            .fetch_one(
                "INSERT INTO read_numbers (connection, last_number) VALUES ($1, $2) \
                 ON CONFLICT (connection) DO UPDATE SET last_number = \
                 CASE WHEN read_numbers.last_number >= excluded.last_number \
                 THEN read_numbers.last_number + 1 ELSE excluded.last_number END \
                 RETURNING last_number",
                args![connection.as_str(), Timestamp::now().micros()],
            )
            .await?;
        row.int("last_number")
    }
}

#[cfg(test)]
mod tests {
    use storelink_test_support::database::TestDatabase;
    use storelink_test_support::on_each_database;

    use super::*;
    use crate::MIGRATOR;

    on_each_database!(
        the_slower_of_two_processes_moves_nothing,
        read_numbers_only_grow
    );

    async fn open(database: &TestDatabase) -> Database {
        let opened = Database::open(&database.settings(), "poller")
            .await
            .unwrap();
        opened.migrate(&MIGRATOR).await.unwrap();
        opened
    }

    async fn the_slower_of_two_processes_moves_nothing(test: TestDatabase) {
        let database = open(&test).await;
        let connection = ConnectionId::generate();
        let load = || Loaded::load(&database, &connection, "orders");
        let (mut one, mut other) = (load().await.unwrap(), load().await.unwrap());
        one.state.cursor.mark = Some(Timestamp::from_micros(5));
        one.save(&database).await.unwrap();
        let refused = other.save(&database).await.unwrap_err();
        assert!(matches!(refused, PollerError::Overtaken), "{refused}");

        let (mut one, mut other) = (load().await.unwrap(), load().await.unwrap());
        assert_eq!(one.state.cursor.mark, Some(Timestamp::from_micros(5)));
        one.state.cursor.mark = Some(Timestamp::from_micros(6));
        one.save(&database).await.unwrap();
        one.state.cursor.mark = Some(Timestamp::from_micros(7));
        one.save(&database).await.unwrap();
        assert!(other.save(&database).await.is_err());
        assert_eq!(
            load().await.unwrap().state.cursor.mark,
            Some(Timestamp::from_micros(7))
        );
    }

    async fn read_numbers_only_grow(test: TestDatabase) {
        let database = open(&test).await;
        let connection = ConnectionId::generate();
        let ahead = Timestamp::now().micros() + 3_600_000_000;
        let first = database.draw_read_number(&connection).await.unwrap();
        assert!(first < ahead);
        // As after a clock that was an hour ahead.
        database
            .execute(
                "UPDATE read_numbers SET last_number = $1 WHERE connection = $2",
                args![ahead, connection.as_str()],
            )
            .await
            .unwrap();
        assert_eq!(
            database.draw_read_number(&connection).await.unwrap(),
            ahead + 1
        );
        assert_eq!(
            database.draw_read_number(&connection).await.unwrap(),
            ahead + 2
        );
    }

    #[test]
    fn a_cursor_says_nothing_at_another_address_or_of_another_stream() {
        let stream = StreamIdentity {
            created_micros: 1,
            last_sequence: 10,
        };
        let read = Kept {
            cursor: Cursor {
                mark: Some(Timestamp::from_micros(5)),
                clock_offset_micros: 7,
                ..Cursor::default()
            },
            stream: Some(stream),
            address: Some("https://one.example".into()),
            withheld: Vec::new(),
        };
        let placed = |address, stream| {
            let mut kept = read.clone();
            let anew = kept.place(address, stream);
            assert_eq!(kept.address.as_deref(), Some(address));
            assert_eq!(kept.cursor.clock_offset_micros, 7);
            (anew, kept.cursor.mark)
        };
        let mark = read.cursor.mark;
        assert_eq!(placed("https://one.example", stream), (None, mark));
        assert_eq!(
            placed("https://two.example", stream),
            (Some(Anew::Address), None)
        );
        let other = StreamIdentity {
            created_micros: 2,
            ..stream
        };
        assert_eq!(
            placed("https://one.example", other),
            (Some(Anew::Stream), None)
        );
    }

    #[test]
    fn a_stream_that_was_made_anew_or_set_back_is_another_one() {
        let earlier = StreamIdentity {
            created_micros: 1,
            last_sequence: 10,
        };
        let now = |created_micros, last_sequence| StreamIdentity {
            created_micros,
            last_sequence,
        };
        assert!(now(1, 10).continues(earlier));
        assert!(now(1, 11).continues(earlier));
        assert!(!now(1, 9).continues(earlier));
        assert!(!now(2, 11).continues(earlier));
    }
}
