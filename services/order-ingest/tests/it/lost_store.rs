//! The broker loses what it stored: everything, or the last of it.

use storelink_order_ingest::Relay;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use storelink_test_support::on_each_database;
use tokio_util::sync::CancellationToken;

use crate::harness::{LIMIT, World, hub, noted, order, reading};
use crate::service::Service;

on_each_database!(
    events_come_again_from_the_ledger_when_the_broker_lost_them,
    events_behind_the_end_of_a_stream_that_lost_its_tail_come_again,
    a_relay_that_is_given_an_earlier_sequence_publishes_again,
);

/// The stores' ids of the orders that events tell of, sorted.
async fn told(world: &World) -> Vec<String> {
    let told = hub(&world.bus).await;
    let mut ids: Vec<String> = told
        .iter()
        .map(|event| event.data("/external_id").as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// Runs a relay, as a process that was just started, until these orders are told of.
async fn relayed(world: &World, expected: &[&str]) {
    let stop = CancellationToken::new();
    let relay = Relay::new(world.database.clone(), world.bus.clone());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { relay.run(stop).await }
    });
    eventually("the events", LIMIT, async || {
        let told = told(world).await;
        anyhow::ensure!(told == expected, "{told:?}");
        Ok(())
    })
    .await
    .unwrap();
    stop.cancel();
    running.await.unwrap();
}

/// Publishes without a look at the stream.
async fn publish(world: &World, expected: &[&str]) {
    eventually("the events", LIMIT, async || {
        world.relay.publish_waiting().await?;
        let told = told(world).await;
        anyhow::ensure!(told == expected, "{told:?}");
        Ok(())
    })
    .await
    .unwrap();
}

async fn events_behind_the_end_of_a_stream_that_lost_its_tail_come_again(place: TestDatabase) {
    let mut world = World::new(place).await;
    world.take([world.reading("90", 1, order())]).await;
    relayed(&world, &["90"]).await;

    let backup = world.broker.backup().await.unwrap();
    world.take([world.reading("91", 2, order())]).await;
    publish(&world, &["90", "91"]).await;
    world.broker.go_back_to(&backup).await.unwrap();
    relayed(&world, &["90", "91"]).await;
}

async fn a_relay_that_is_given_an_earlier_sequence_publishes_again(place: TestDatabase) {
    let mut world = World::new(place).await;
    world.take([world.reading("90", 1, order())]).await;
    publish(&world, &["90"]).await;

    let backup = world.broker.backup().await.unwrap();
    world.take([world.reading("91", 2, order())]).await;
    publish(&world, &["90", "91"]).await;
    world.broker.go_back_to(&backup).await.unwrap();
    // As with what was on its way when the broker went down: nobody looked at the stream before.
    world.take([world.reading("92", 3, order())]).await;
    publish(&world, &["90", "91", "92"]).await;
}

async fn events_come_again_from_the_ledger_when_the_broker_lost_them(place: TestDatabase) {
    let mut service = Service::start(place).await;
    let connection = service.connection.clone();
    service
        .publish(&reading(&connection, "90", 1, order()))
        .await;
    service.drained().await;
    service
        .publish(&reading(&connection, "90", 2, noted("B")))
        .await;
    service.drained().await;
    service.events(&["order.received", "order.updated"]).await;
    let before: Vec<_> = hub(&service.bus)
        .await
        .into_iter()
        .map(|told| told.body)
        .collect();

    service.broker.stop().await.unwrap();
    service.broker.wipe_store().await.unwrap();
    service.broker.restart().await.unwrap();
    // Nobody applies the stream table: what is needed is made again by who needs it.
    service.events(&["order.received", "order.updated"]).await;
    let after: Vec<_> = hub(&service.bus)
        .await
        .into_iter()
        .map(|told| told.body)
        .collect();
    assert_eq!(after, before);
    // Work goes on as before.
    service
        .publish(&reading(&connection, "91", 3, order()))
        .await;
    service
        .events(&["order.received", "order.updated", "order.received"])
        .await;
    service.end().await;
}
