//! What one bad message may not do to others.

use storelink_bus::streams::names;
use storelink_bus::{DeadLetters, Publication};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::harness::{all, hub, order, reading};
use crate::service::Service;

on_each_database!(a_message_that_cannot_be_kept_is_put_aside_and_the_others_go_on);

async fn a_message_that_cannot_be_kept_is_put_aside_and_the_others_go_on(place: TestDatabase) {
    let service = Service::start(place).await;
    let connection = service.connection.clone();
    for id in ["90", "no\0text", "91"] {
        service.publish(&reading(&connection, id, 1, order())).await;
    }
    let nonsense = Publication::new("order.woocommerce.con.9", "<html>");
    service.bus.publish(nonsense).await.unwrap();
    storelink_test_support::eventually::eventually(
        "two are put aside",
        crate::harness::LIMIT,
        async || {
            let letters = DeadLetters::new(&service.bus).list("dead.>", 0, 10).await?;
            let mut codes: Vec<_> = letters
                .into_iter()
                .map(|letter| letter.reason.code)
                .collect();
            codes.sort();
            let expected = ["database.rule_violation", "order_ingest.message_unreadable"];
            anyhow::ensure!(codes == expected, "{codes:?}");
            let left = all(&service.bus, names::ORDERS).await.len();
            anyhow::ensure!(left == 0, "{left} orders wait");
            Ok(())
        },
    )
    .await
    .unwrap();
    service.events(&["order.received", "order.received"]).await;
    let told = hub(&service.bus).await;
    assert!(
        told.iter()
            .all(|event| ["90", "91"].contains(&event.data("/external_id").as_str().unwrap()))
    );
    service.end().await;
}
