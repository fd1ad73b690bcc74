//! Sinks and the floor together, over a real broker.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use storelink_test_support::broker::TestBroker;

use crate::feed::{AT_ONCE, Feed, Manner};
use crate::floor::{self, Job};
use crate::load::{Target, measure};
use crate::sink::{Sink, Tally};

const LIMIT: Duration = Duration::from_secs(60);
const STORES: usize = 3;
const ARTICLES: usize = 250;
const DELAY: Duration = Duration::from_millis(20);

struct World {
    broker: TestBroker,
    tally: Arc<Tally>,
    sinks: Vec<Sink>,
    jetstream: jetstream::Context,
    job: Job,
}

async fn world() -> World {
    let broker = TestBroker::start().await.unwrap();
    let tally = Arc::new(Tally::default());
    let mut sinks = Vec::new();
    for _ in 0..STORES {
        sinks.push(Sink::open(ARTICLES, Arc::clone(&tally)).await.unwrap());
    }
    let client = async_nats::connect(broker.url()).await.unwrap();
    let jetstream = jetstream::new(client);
    floor::create_stream(&jetstream).await.unwrap();
    let job = Job {
        broker: broker.url(),
        fleet: "three".to_owned(),
        stores: sinks.iter().map(Sink::url).collect(),
    };
    World {
        broker,
        tally,
        sinks,
        jetstream,
        job,
    }
}

impl World {
    fn feed(&self) -> Feed {
        let subject = self.job.subject();
        Feed::new(self.jetstream.clone(), subject, "default", "main", ARTICLES).unwrap()
    }

    /// Messages of the floor's stream that are not acknowledged by all stores.
    async fn waiting(&self) -> u64 {
        let mut stream = self.jetstream.get_stream("FLOOR").await.unwrap();
        stream.info().await.unwrap().state.messages
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_brings_every_last_value_to_every_store_in_full_batches() {
    let world = world().await;
    let mut feed = world.feed();
    let number = 500;
    world.tally.expect(feed.last_values(number));
    // All is said before the floor begins, so its batches are full.
    let said = feed.say(number, AT_ONCE).await.unwrap();
    let floor = tokio::spawn(floor::run(world.job.clone(), || ()));
    let all = (STORES * ARTICLES) as u64;
    let last_us = world.tally.reached(all, LIMIT).await.unwrap();
    assert!(last_us > said.began_us());
    for sink in &world.sinks {
        let book = sink.book();
        let mut ages = Vec::new();
        said.ages(&book.writes, &mut ages).unwrap();
        assert_eq!(ages.len(), 500, "each value has an age, passed over or not");
        assert_eq!((book.went_back, book.strange), (0, 0));
        let requests = book.requests;
        assert!((3..=9).contains(&requests), "{requests} requests");
    }
    while world.waiting().await > 0 {
        assert!(!floor.is_finished(), "the floor has failed");
        tokio::task::yield_now().await;
    }
    floor.abort();
    drop(world.broker);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_age_has_the_answer_time_of_the_store_in_it_and_a_store_that_is_down_is_asked_again() {
    let world = world().await;
    world.sinks.iter().for_each(|sink| sink.set_delay(DELAY));
    let floor = tokio::spawn(floor::run(world.job.clone(), || ()));
    let mut feed = world.feed();
    world.tally.expect(feed.last_values(10));
    let manner = Manner {
        items: 1,
        per_second: Some(20),
    };
    let said = feed.say(10, manner).await.unwrap();
    assert!(said.per_second() <= 21, "{}", said.per_second());
    world
        .tally
        .reached(10 * STORES as u64, LIMIT)
        .await
        .unwrap();
    let mut ages = Vec::new();
    for sink in &world.sinks {
        said.ages(&sink.book().writes, &mut ages).unwrap();
        assert_eq!(sink.most_open(), 1, "one request after the other");
        assert_eq!(sink.most_open(), 0, "it was asked for already");
    }
    assert!(ages.iter().all(|age| *age >= 20_000), "{ages:?}");

    let down = &world.sinks[0];
    down.set_down(true);
    let client = storelink_test_support::api::http_client().unwrap();
    let answer = client.get(down.url()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(down.refused(), 1);
    floor.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_the_machine_count_what_was_done() {
    let world = world().await;
    let target = Target {
        broker: world.broker.url(),
        sink: world.sinks[0].url(),
        milliseconds: 100,
    };
    let limits = measure(&target).await.unwrap();
    assert!(limits.publish.operations > 0);
    assert!(limits.read.operations <= limits.publish.operations && limits.read.operations > 0);
    assert!(limits.requests.operations > 0 && limits.requests.per_second() > 0);
    let book = world.sinks[0].book();
    assert_eq!(book.requests, limits.batches.operations);
    assert_eq!(book.writes.len() as u64, limits.batches.operations * 100);
}
