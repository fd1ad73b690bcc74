//! From the outbox to the broker.

use storelink_bus::Publication;
use storelink_order_ingest::{Relay, Scope, re_emit};
use storelink_persistence::args;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::harness::{World, hub, kinds, noted, order, tenant, totalling};

on_each_database!(
    what_was_committed_before_a_crash_is_published_after_it,
    publishing_twice_makes_one_event,
    an_event_that_lies_there_already_counts_as_published,
    events_of_an_order_keep_their_sequence_and_trouble_stays_with_its_order,
    a_refused_event_is_seen_once_what_else_held_its_order_is_settled,
    only_the_chosen_connection_is_published_again,
);

async fn waiting(world: &World) -> i64 {
    let count = "SELECT COUNT(*) AS waiting FROM outbox WHERE published IS NULL";
    world
        .database
        .fetch_one(count, args![])
        .await
        .unwrap()
        .int("waiting")
        .unwrap()
}

async fn what_was_committed_before_a_crash_is_published_after_it(place: TestDatabase) {
    let world = World::new(place).await;
    world
        .take([
            world.reading("90", 1, order()),
            world.reading("90", 2, noted("B")),
        ])
        .await;
    assert_eq!(hub(&world.bus).await.len(), 0);
    // A process that died while it published left a claim behind.
    let claim = "UPDATE outbox SET due = $1";
    world
        .database
        .execute(claim, args![i64::MAX])
        .await
        .unwrap();
    assert_eq!(world.relay.publish_waiting().await.unwrap(), 0);

    let after = Relay::new(world.database.clone(), world.bus.clone());
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { after.run(stop).await }
    });
    storelink_test_support::eventually::eventually(
        "both events",
        crate::harness::LIMIT,
        async || {
            anyhow::ensure!(waiting(&world).await == 0, "rows wait");
            Ok(())
        },
    )
    .await
    .unwrap();
    stop.cancel();
    running.await.unwrap();
    let told = hub(&world.bus).await;
    assert_eq!(kinds(&told), ["order.received", "order.updated"]);
    let marked = "SELECT COUNT(*) AS marked FROM revisions WHERE published IS NOT NULL";
    let row = world.database.fetch_one(marked, args![]).await.unwrap();
    assert_eq!(row.int("marked").unwrap(), 2);
}

async fn publishing_twice_makes_one_event(place: TestDatabase) {
    let world = World::new(place).await;
    world.take([world.reading("90", 1, order())]).await;
    assert_eq!(world.relay.publish_waiting().await.unwrap(), 1);
    let first = hub(&world.bus).await;
    let again = re_emit(&world.database, &Scope::Tenant(tenant()))
        .await
        .unwrap();
    assert_eq!((again, waiting(&world).await), (1, 1));
    assert_eq!(world.relay.publish_waiting().await.unwrap(), 1);
    let second = hub(&world.bus).await;
    assert_eq!(
        (first.len(), second.len(), waiting(&world).await),
        (1, 1, 0)
    );
    assert_eq!(
        first[0].headers.get("Nats-Msg-Id"),
        first[0].body["id"].as_str()
    );
}

async fn an_event_that_lies_there_already_counts_as_published(place: TestDatabase) {
    let world = World::new(place).await;
    world.take([world.reading("90", 1, order())]).await;
    let row = world
        .database
        .fetch_one("SELECT subject FROM outbox", args![])
        .await
        .unwrap();
    // The same revision under another message id, as after a restored database.
    let earlier = Publication::new(row.text("subject").unwrap(), "{}").message_id("another");
    world.bus.publish(earlier).await.unwrap();
    assert_eq!(world.relay.publish_waiting().await.unwrap(), 1);
    assert_eq!((hub(&world.bus).await.len(), waiting(&world).await), (1, 0));
}

async fn events_of_an_order_keep_their_sequence_and_trouble_stays_with_its_order(
    place: TestDatabase,
) {
    let world = World::new(place).await;
    world
        .take([
            world.reading("90", 1, order()),
            world.reading("90", 2, noted("B")),
            world.reading("91", 1, order()),
            world.reading("91", 2, noted("B")),
        ])
        .await;
    // More than the broker takes: the first event of one order cannot go out.
    let too_large = format!("\"{}\"", "x".repeat(world.bus.max_payload() + 1));
    let spoil = "UPDATE outbox SET payload = $1 WHERE position = 1 AND chain = \
                 (SELECT id FROM orders WHERE external_id = '90')";
    let kept = world
        .database
        .fetch_one(
            "SELECT payload FROM outbox WHERE position = 1 AND chain = \
             (SELECT id FROM orders WHERE external_id = '90')",
            args![],
        )
        .await
        .unwrap();
    world
        .database
        .execute(spoil, args![too_large])
        .await
        .unwrap();

    assert_eq!(world.relay.publish_waiting().await.unwrap(), 2);
    let told = hub(&world.bus).await;
    assert_eq!(kinds(&told), ["order.received", "order.updated"]);
    assert!(told.iter().all(|event| event.data("/external_id") == "91"));
    let parked = world
        .database
        .fetch_one("SELECT * FROM parked", args![])
        .await
        .unwrap();
    assert_eq!(parked.text("code").unwrap(), "order.event_refused");
    assert_eq!(parked.text("external_id").unwrap(), "90");

    world
        .database
        .execute(spoil, args![kept.text("payload").unwrap()])
        .await
        .unwrap();
    world
        .database
        .execute("UPDATE outbox SET due = 0", args![])
        .await
        .unwrap();
    assert_eq!(world.relay.publish_waiting().await.unwrap(), 2);
    let told = hub(&world.bus).await;
    let late: Vec<_> = told[2..]
        .iter()
        .map(|event| event.data("/revision").clone())
        .collect();
    assert_eq!(late, [1, 2]);
    let parked = world
        .database
        .fetch_all("SELECT * FROM parked", args![])
        .await
        .unwrap();
    assert_eq!(parked.len(), 0);
}

/// The codes of parked orders.
async fn parked(world: &World) -> Vec<String> {
    let rows = world
        .database
        .fetch_all("SELECT code FROM parked", args![])
        .await
        .unwrap();
    rows.iter().map(|row| row.text("code").unwrap()).collect()
}

async fn a_refused_event_is_seen_once_what_else_held_its_order_is_settled(place: TestDatabase) {
    let world = World::new(place).await;
    world.take([world.reading("90", 1, order())]).await;
    let too_large = format!("\"{}\"", "x".repeat(world.bus.max_payload() + 1));
    let spoil = "UPDATE outbox SET payload = $1 WHERE kind = 'order'";
    world
        .database
        .execute(spoil, args![too_large])
        .await
        .unwrap();
    let tried_again = async || {
        let pauses_over = "UPDATE outbox SET due = 0";
        world.database.execute(pauses_over, args![]).await.unwrap();
        world.relay.publish_waiting().await.unwrap();
    };
    // The order waits for a person because of its amounts, before its event is refused.
    world
        .take([world.reading("90", 2, totalling("15.20"))])
        .await;
    tried_again().await;
    assert_eq!(parked(&world).await, ["order.sum_differs"]);

    world.take([world.reading("90", 3, order())]).await;
    assert_eq!(parked(&world).await, Vec::<String>::new());
    tried_again().await;
    assert_eq!(parked(&world).await, ["order.event_refused"]);

    // And the other way round.
    world
        .take([world.reading("90", 4, totalling("15.20"))])
        .await;
    assert_eq!(parked(&world).await, ["order.sum_differs"]);
    world.take([world.reading("90", 5, order())]).await;
    tried_again().await;
    assert_eq!(parked(&world).await, ["order.event_refused"]);
    let told = kinds(&hub(&world.bus).await);
    assert!(told.iter().all(|one| one == "item.parked"), "{told:?}");
}

async fn only_the_chosen_connection_is_published_again(place: TestDatabase) {
    let world = World::new(place).await;
    let other = storelink_model::ConnectionId::generate();
    world.take([world.reading("90", 1, order())]).await;
    world
        .take([crate::harness::reading(&other, "90", 1, order())])
        .await;
    world.relay.publish_waiting().await.unwrap();
    let scope = Scope::Connection(other);
    assert_eq!(re_emit(&world.database, &scope).await.unwrap(), 1);
    let row = world
        .database
        .fetch_one(
            "SELECT connection FROM outbox WHERE published IS NULL",
            args![],
        )
        .await
        .unwrap();
    let Scope::Connection(other) = scope else {
        return;
    };
    assert_eq!(row.text("connection").unwrap(), other.as_str());
}
