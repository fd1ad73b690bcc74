//! Records on both databases.

use std::sync::Arc;

use storelink_model::{ConnectionId, Sku, Timestamp};
use storelink_persistence::{Database, args};
use storelink_test_support::database::TestDatabase;

use super::group::Group;
use super::memory::letter;
use super::retention::{drop_old_attempts, forget};
use super::{Attempt, LaneName, Note, outside};
use crate::MIGRATOR;
use crate::lane::DoubtKind;

struct World {
    db: Database,
    connection: ConnectionId,
    _place: TestDatabase,
}

impl World {
    /// A lane in its second epoch.
    async fn on(place: TestDatabase) -> Self {
        let db = Database::open(&place.settings(), "stock-publisher")
            .await
            .unwrap();
        db.migrate(&MIGRATOR).await.unwrap();
        let connection = ConnectionId::generate();
        db.execute(
            "INSERT INTO lane_owner (connection, owner, epoch, renewal) VALUES ($1, 'me', 2, 7)",
            args![connection.as_str()],
        )
        .await
        .unwrap();
        Self {
            db,
            connection,
            _place: place,
        }
    }

    fn lane(&self, epoch: i64) -> Arc<LaneName> {
        Arc::new(LaneName {
            connection: self.connection.clone(),
            tenant: "acme".parse().unwrap(),
            epoch,
        })
    }

    fn attempt(&self, epoch: i64, number: i64) -> Attempt {
        Attempt {
            lane: self.lane(epoch),
            number,
            started: at(1),
            items: "[]".to_owned(),
        }
    }

    /// Whether an attempt of this epoch may be made.
    async fn begins(&self, epoch: i64, number: i64) -> bool {
        let attempt = self.attempt(epoch, number);
        let group = Group::new(std::iter::once(&attempt), &[]);
        !group.commit(&self.db).await.unwrap().is_empty()
    }

    async fn note(&self, epoch: i64, notes: Vec<Note>) {
        let lane = self.lane(epoch);
        let notes: Vec<_> = notes.into_iter().map(|note| (lane.clone(), note)).collect();
        let group = Group::new(std::iter::empty(), &notes);
        group.commit(&self.db).await.unwrap();
    }

    async fn doubts(&self) -> Vec<(String, i64)> {
        let rows = self
            .db
            .fetch_all("SELECT sku, due FROM doubts ORDER BY sku", args![])
            .await
            .unwrap();
        rows.iter()
            .map(|row| (row.text("sku").unwrap(), row.int("due").unwrap()))
            .collect()
    }

    async fn parked(&self) -> Vec<String> {
        let sql = "SELECT sku FROM parked ORDER BY sku";
        let rows = self.db.fetch_all(sql, args![]).await.unwrap();
        rows.iter().map(|row| row.text("sku").unwrap()).collect()
    }

    async fn snapshot(&self) -> Option<i64> {
        let sql = "SELECT number FROM snapshots";
        let row = self.db.fetch_optional(sql, args![]).await.unwrap();
        row.map(|row| row.int("number").unwrap())
    }

    async fn outcome(&self, epoch: i64, number: i64) -> Option<String> {
        self.db
            .fetch_one(
                "SELECT outcomes FROM attempts WHERE epoch = $1 AND number = $2",
                args![epoch, number],
            )
            .await
            .unwrap()
            .opt_text("outcomes")
            .unwrap()
    }

    async fn owner(&self) -> (String, i64) {
        let sql = "SELECT owner, epoch FROM lane_owner";
        let row = self.db.fetch_one(sql, args![]).await.unwrap();
        (row.text("owner").unwrap(), row.int("epoch").unwrap())
    }

    async fn order(&self, sku: &str, due: Timestamp) {
        let sku = sku_of(sku);
        let article = std::iter::once((self.connection.as_str(), &sku));
        outside::open(&self.db, DoubtKind::Order, article, due)
            .await
            .unwrap();
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn sku_of(text: &str) -> Sku {
    text.parse().unwrap()
}

fn park(sku: &str) -> Note {
    Note::Park {
        sku: sku_of(sku),
        code: "store.refused".to_owned(),
        reason: String::new(),
        input: String::new(),
        since: at(1),
    }
}

fn finished(epoch: i64, number: i64, outcome: char) -> Note {
    Note::Finished {
        epoch,
        number,
        completed: at(2),
        outcomes: outcome.to_string(),
        error_code: None,
    }
}

fn snapshot(number: i64) -> Note {
    Note::Snapshot {
        number,
        taken: at(2),
        body: "[]".to_owned(),
    }
}

fn open_late(sku: &str, due: i64) -> Note {
    Note::OpenDoubt {
        sku: sku_of(sku),
        kind: DoubtKind::LateEffect,
        due: at(due),
    }
}

fn close(sku: &str, kind: DoubtKind, due: Timestamp) -> Note {
    let sku = sku_of(sku);
    Note::CloseDoubt { sku, kind, due }
}

async fn an_epoch_that_is_over_changes_nothing(place: TestDatabase) {
    let world = World::on(place).await;
    assert!(!world.begins(1, 9).await, "the fence");
    assert!(!world.begins(3, 1).await, "an epoch that was never given");
    assert!(world.begins(2, 1).await && world.begins(2, 2).await && world.begins(2, 3).await);
    let kept = vec![park("A"), open_late("A", 60), snapshot(2)];
    world.note(2, kept).await;
    // Another process takes the lane.
    world
        .db
        .execute("UPDATE lane_owner SET owner = 'other', epoch = 3", args![])
        .await
        .unwrap();

    let late_effect = DoubtKind::LateEffect;
    let late = vec![
        Note::Unpark { sku: sku_of("A") },
        park("B"),
        close("A", late_effect, at(60)),
        open_late("B", 70),
        snapshot(3),
        finished(2, 1, letter::CONFIRMED),
        finished(2, 2, letter::UNKNOWN),
        Note::GiveBack,
    ];
    world.note(2, late).await;
    assert_eq!(world.parked().await, ["A"]);
    assert_eq!(world.doubts().await, [("A".to_owned(), 60_000_000)]);
    assert_eq!(world.snapshot().await, Some(2));
    assert_eq!(world.owner().await, ("other".to_owned(), 3));
    assert_eq!(
        world.outcome(2, 1).await.as_deref(),
        Some("c"),
        "its own, and clear"
    );
    assert_eq!(
        world.outcome(2, 2).await,
        None,
        "its doubt would be missing"
    );

    // The owner of now has its say, also about what was left unfinished.
    let now = vec![
        Note::Unpark { sku: sku_of("A") },
        park("B"),
        close("A", late_effect, at(60)),
        open_late("B", 70),
        snapshot(1),
        finished(2, 2, letter::UNKNOWN),
        finished(2, 3, letter::UNKNOWN),
    ];
    world.note(3, now).await;
    assert_eq!(world.parked().await, ["B"]);
    assert_eq!(world.doubts().await, [("B".to_owned(), 70_000_000)]);
    assert_eq!(world.snapshot().await, Some(1));
    assert_eq!(world.outcome(2, 3).await.as_deref(), Some("u"));
    world.note(3, vec![Note::GiveBack]).await;
    assert_eq!(world.owner().await, (String::new(), 3));
}

async fn what_was_moved_since_stays_open(place: TestDatabase) {
    let world = World::on(place).await;
    world.order("A", at(100)).await;
    let before = outside::last_number(&world.db).await.unwrap();
    // Another replica, whose clock is behind.
    world.order("A", at(90)).await;
    let doubts = outside::since(&world.db, before).await.unwrap();
    let [moved] = doubts.as_slice() else {
        panic!("{} doubts", doubts.len());
    };
    assert!(moved.due > at(100), "{:?}", moved.due);

    world
        .note(2, vec![close("A", DoubtKind::Order, at(100))])
        .await;
    assert_eq!(
        world.doubts().await.len(),
        1,
        "the later order is not settled"
    );
    world
        .note(2, vec![close("A", DoubtKind::Order, moved.due)])
        .await;
    assert_eq!(world.doubts().await, []);
}

async fn a_deleted_connection_leaves_nothing_to_wait_for(place: TestDatabase) {
    let world = World::on(place).await;
    world.note(2, vec![park("A"), snapshot(1)]).await;
    world.order("A", at(100)).await;
    // It fails at the last of its steps, and is undone.
    let away = "ALTER TABLE approvals RENAME TO approvals_away";
    world.db.execute(away, args![]).await.unwrap();
    assert!(forget(&world.db, &world.connection).await.is_err());
    assert_eq!(world.parked().await, ["A"]);
    assert_eq!(world.owner().await, ("me".to_owned(), 2));
    let back = "ALTER TABLE approvals_away RENAME TO approvals";
    world.db.execute(back, args![]).await.unwrap();
    forget(&world.db, &world.connection).await.unwrap();

    assert!(!world.begins(2, 1).await);
    world
        .note(2, vec![park("A"), open_late("A", 60), snapshot(2)])
        .await;
    world.order("A", at(100)).await;
    assert_eq!(world.parked().await, [] as [&str; 0]);
    assert_eq!(world.doubts().await, []);
    assert_eq!(world.snapshot().await, None);
    assert_eq!(
        world.owner().await,
        (String::new(), 3),
        "no epoch is given twice"
    );
}

async fn another_try_is_for_what_was_parked_when_it_was_read(place: TestDatabase) {
    let world = World::on(place).await;
    let tenant = "acme".parse().unwrap();
    let park = async |input: &str, since| {
        let note = Note::Park {
            sku: sku_of("A"),
            code: "price.factor_exceeded".to_owned(),
            reason: String::new(),
            input: input.to_owned(),
            since: at(since),
        };
        world.note(2, vec![note]).await;
        let sql = "SELECT id, since FROM parked";
        let row = world.db.fetch_one(sql, args![]).await.unwrap();
        (row.text("id").unwrap(), row.int("since").unwrap())
    };
    let read = park("24.90 to 50", 1).await;
    assert_eq!(park("24.90 to 50", 2).await, read, "the same trouble");
    let retry = async |id: &str| outside::retry(&world.db, &tenant, id, at(3)).await.unwrap();
    assert!(retry(&read.0).await);
    let next = park("24.90 to 2490", 4).await;
    assert!(next.0 != read.0 && next.1 == 4_000_000, "{next:?}");
    assert!(!retry(&read.0).await, "nobody has read the other one");

    let asked = async || {
        let heard = outside::since(&world.db, 0).await.unwrap().remove(0);
        let rows = super::load::rows(&world.db, &world.connection).await;
        let at_start = rows.unwrap().retries.remove(&sku_of("A"));
        assert_eq!(heard.input, at_start);
        (heard.kind, heard.input.unwrap())
    };
    assert_eq!(
        asked().await,
        (DoubtKind::Retry, "24.90 to 50".to_owned()),
        "who hears of it late must see what it is about"
    );
    assert!(retry(&next.0).await);
    assert_eq!(asked().await.1, "24.90 to 2490");
    forget(&world.db, &world.connection).await.unwrap();
    assert!(!retry(&next.0).await);
}

async fn attempts_go_only_when_the_stored_snapshot_covers_them(place: TestDatabase) {
    let world = World::on(place).await;
    let attempts: Vec<_> = (1..=510).map(|number| world.attempt(2, number)).collect();
    let group = Group::new(attempts.iter(), &[]);
    assert_eq!(group.commit(&world.db).await.unwrap().len(), 510);
    let left = async || {
        drop_old_attempts(&world.db, &world.connection).await;
        let sql = "SELECT COUNT(*) AS left_over FROM attempts";
        let row = world.db.fetch_one(sql, args![]).await.unwrap();
        row.int("left_over").unwrap()
    };
    // Refused: with its attempts gone, an older snapshot would speak for what the store shows.
    world.note(1, vec![snapshot(510)]).await;
    assert_eq!(left().await, 510);
    world.note(2, vec![snapshot(4)]).await;
    assert_eq!(left().await, 506, "what it covers, beyond the newest 501");
    world.note(2, vec![snapshot(510)]).await;
    assert_eq!(left().await, 501);
}

macro_rules! on_both {
    ($($test:ident: $sqlite:ident, $postgres:ident;)+) => { $(
        #[tokio::test]
        async fn $sqlite() {
            $test(TestDatabase::sqlite().unwrap()).await;
        }

        #[tokio::test]
        async fn $postgres() {
            $test(TestDatabase::postgres().await.unwrap()).await;
        }
    )+ };
}

on_both! {
    an_epoch_that_is_over_changes_nothing:
        an_epoch_that_is_over_changes_nothing_on_sqlite,
        an_epoch_that_is_over_changes_nothing_on_postgres;
    what_was_moved_since_stays_open:
        what_was_moved_since_stays_open_on_sqlite,
        what_was_moved_since_stays_open_on_postgres;
    a_deleted_connection_leaves_nothing_to_wait_for:
        a_deleted_connection_leaves_nothing_to_wait_for_on_sqlite,
        a_deleted_connection_leaves_nothing_to_wait_for_on_postgres;
    another_try_is_for_what_was_parked_when_it_was_read:
        another_try_is_for_what_was_parked_when_it_was_read_on_sqlite,
        another_try_is_for_what_was_parked_when_it_was_read_on_postgres;
    attempts_go_only_when_the_stored_snapshot_covers_them:
        attempts_go_only_when_the_stored_snapshot_covers_them_on_sqlite,
        attempts_go_only_when_the_stored_snapshot_covers_them_on_postgres;
}
