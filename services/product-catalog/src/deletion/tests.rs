use std::slice;

use storelink_adapter_api::ProductReading;
use storelink_bus::kv::Bucket;
use storelink_bus::{BusOptions, Publication, streams};
use storelink_events::internal::ProductRead;
use storelink_events::subject;
use storelink_model::Timestamp;
use storelink_test_support::broker::TestBroker;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use super::*;
use crate::{MIGRATOR, SERVICE, readings};

const LONG: Duration = Duration::from_secs(3_600);

struct World {
    _broker: TestBroker,
    bus: Bus,
    database: Database,
}

impl World {
    async fn start(database: &TestDatabase) -> Self {
        let broker = TestBroker::start().await.unwrap();
        let options = BusOptions::new(broker.url(), "test");
        let bus = Bus::connect(&options).await.unwrap();
        streams::apply(&bus, options.sizing).await.unwrap();
        let database = Database::open(&database.settings(), SERVICE).await.unwrap();
        database.migrate(&MIGRATOR).await.unwrap();
        Self {
            _broker: broker,
            bus,
            database,
        }
    }

    /// A connection of which something is kept, in SQL and in the broker.
    async fn catalogue(&self) -> ConnectionId {
        let id = ConnectionId::generate();
        let reading = ProductRead {
            tenant: "acme".parse().unwrap(),
            connection: id.clone(),
            read_number: 1,
            read_at: Timestamp::now(),
            product: Some(ProductReading {
                external_id: "13".to_owned(),
                name: "Mug".to_owned(),
                modified: None,
                articles: Vec::new(),
            }),
            external_id: "13".to_owned(),
        };
        readings::take(&self.database, slice::from_ref(&reading))
            .await
            .unwrap();
        for subject in [subject::listing(&id, 3), subject::product(&id, "13")] {
            let publication = Publication::new(subject, "{}");
            self.bus.publish(publication).await.unwrap();
        }
        id
    }

    async fn record(&self, id: &ConnectionId) {
        let bucket = Bucket::new(&self.bus, names::CONNECTIONS);
        bucket
            .put(&subject::connection_key(id), "{}")
            .await
            .unwrap();
    }

    /// The messages in the broker and the rows in SQL.
    async fn kept(&self, id: &ConnectionId) -> (u64, i64) {
        let mut messages = 0;
        for (stream, subject) in [
            (names::LISTINGS, subject::listing(id, 3)),
            (names::PRODUCTS, subject::product(id, "13")),
        ] {
            let stream = self.bus.jetstream().get_stream(stream).await.unwrap();
            let found = stream.direct_get_last_for_subject(subject).await;
            messages += u64::from(found.is_ok());
        }
        let rows = "SELECT (SELECT COUNT(*) FROM products WHERE connection = $1) + \
                    (SELECT COUNT(*) FROM connections WHERE connection = $1) AS kept";
        let rows = self.database.fetch_one(rows, args![id.as_str()]).await;
        (messages, rows.unwrap().int("kept").unwrap())
    }

    fn deletions(&self, grace: Duration) -> Deletions {
        Deletions::new(&self.bus, &self.database, grace)
    }
}

on_each_database!(
    what_was_deleted_while_nobody_looked_goes_and_the_rest_stays,
    an_empty_bucket_deletes_nothing,
    a_new_bucket_deletes_nothing,
);

async fn what_was_deleted_while_nobody_looked_goes_and_the_rest_stays(database: TestDatabase) {
    let world = World::start(&database).await;
    let (gone, linked) = (world.catalogue().await, world.catalogue().await);
    let foreign = world.catalogue().await;
    world.record(&linked).await;
    // A record that this process could not use.
    world.record(&foreign).await;
    let mut deletions = world.deletions(Duration::ZERO);
    let there = HashSet::from([linked.clone()]);
    deletions.forget(&there).await.unwrap();
    assert_eq!(world.kept(&gone).await, (0, 0));
    assert_eq!(world.kept(&linked).await, (2, 2));
    assert_eq!(world.kept(&foreign).await, (2, 2));
}

async fn an_empty_bucket_deletes_nothing(database: TestDatabase) {
    let world = World::start(&database).await;
    let id = world.catalogue().await;
    let mut deletions = world.deletions(Duration::ZERO);
    deletions.forget(&HashSet::new()).await.unwrap();
    assert_eq!(world.kept(&id).await, (2, 2));
}

async fn a_new_bucket_deletes_nothing(database: TestDatabase) {
    let world = World::start(&database).await;
    let id = world.catalogue().await;
    world.record(&ConnectionId::generate()).await;
    let mut deletions = world.deletions(LONG);
    deletions.forget(&HashSet::new()).await.unwrap();
    assert_eq!(world.kept(&id).await, (2, 2));
}
