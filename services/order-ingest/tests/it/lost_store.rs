//! The broker loses everything that it stored.

use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::harness::{hub, noted, order, reading};
use crate::service::Service;

on_each_database!(events_come_again_from_the_ledger_when_the_broker_lost_them);

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
