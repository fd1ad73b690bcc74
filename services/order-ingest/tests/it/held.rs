//! Orders that wait for a person.

use storelink_events::connection::RoundingChoice;
use storelink_order::Order;
use storelink_persistence::args;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::harness::{World, fee, hub, kinds, order, totalling, unreadable};

on_each_database!(
    an_order_that_is_not_understood_waits_and_goes_on_when_it_is,
    an_order_whose_sum_differs_waits_with_the_difference_explained,
    rounding_is_delivered_gets_a_line_or_is_held_as_chosen,
    a_held_edit_keeps_the_verb_of_what_comes_after_it,
);

async fn parked(world: &World) -> Vec<(String, String)> {
    let rows = world
        .database
        .fetch_all("SELECT code, text FROM parked", args![])
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.text("code").unwrap(), row.text("text").unwrap()))
        .collect()
}

async fn an_order_that_is_not_understood_waits_and_goes_on_when_it_is(place: TestDatabase) {
    let world = World::new(place).await;
    world.take([unreadable(&world.connection, "90", 1)]).await;
    // The same again is no news.
    world.take([unreadable(&world.connection, "90", 2)]).await;
    world.relay.publish_waiting().await.unwrap();
    let told = hub(&world.bus).await;
    assert_eq!(kinds(&told), ["item.parked"]);
    assert_eq!(told[0].data("/code"), "woocommerce.total");
    assert_eq!(told[0].data("/entity"), "order");
    assert_eq!(told[0].data("/external_id"), "90");
    assert_eq!(told[0].data("/service"), "order-ingest");
    assert_eq!(parked(&world).await[0].1, "/total: expected an amount");
    let row = world
        .database
        .fetch_one("SELECT * FROM revisions", args![])
        .await
        .unwrap();
    assert_eq!(row.text("raw").unwrap(), r#"{"total":"a lot"}"#);
    assert_eq!(row.opt_text("normalised").unwrap(), None);

    world.take([world.reading("90", 3, order())]).await;
    world.relay.publish_waiting().await.unwrap();
    let told = hub(&world.bus).await;
    assert_eq!(kinds(&told), ["item.parked", "order.received"]);
    assert_eq!(told[1].data("/revision"), 2);
    assert_eq!(parked(&world).await, []);
}

async fn an_order_whose_sum_differs_waits_with_the_difference_explained(place: TestDatabase) {
    let world = World::new(place).await;
    world
        .take([world.reading("90", 1, totalling("15.20"))])
        .await;
    world.relay.publish_waiting().await.unwrap();
    let told = hub(&world.bus).await;
    assert_eq!(kinds(&told), ["item.parked"]);
    let [(code, text)] = &parked(&world).await[..] else {
        panic!("one entry")
    };
    assert_eq!(code, "order.sum_differs");
    assert!(
        text.contains("12.20 EUR") && text.contains("15.20 EUR"),
        "{text}"
    );
    assert!(text.contains("3.00 EUR are left over"), "{text}");

    let whole = Order {
        fees: vec![fee("wrapping", "3.00")],
        ..totalling("15.20")
    };
    world.take([world.reading("90", 2, whole)]).await;
    world.relay.publish_waiting().await.unwrap();
    assert_eq!(
        kinds(&hub(&world.bus).await),
        ["item.parked", "order.received"]
    );
    assert_eq!(parked(&world).await, []);
}

async fn rounding_is_delivered_gets_a_line_or_is_held_as_chosen(place: TestDatabase) {
    let world = World::new(place).await;
    let cent = || totalling("12.21");
    world.take([world.reading("90", 1, cent())]).await;
    *world.rounding.lock().unwrap() = RoundingChoice::AddLine;
    world.take([world.reading("91", 1, cent())]).await;
    *world.rounding.lock().unwrap() = RoundingChoice::Hold;
    world.take([world.reading("92", 1, cent())]).await;
    world.relay.publish_waiting().await.unwrap();

    let told = hub(&world.bus).await;
    let of = |id: &str| {
        told.iter()
            .find(|event| event.data("/external_id") == id)
            .unwrap()
    };
    assert_eq!(of("90").data("/sum/verdict"), "rounding");
    assert_eq!(of("90").data("/sum/difference"), "0.01");
    assert_eq!(of("90").data("/order/fees").as_array().unwrap().len(), 0);
    assert_eq!(of("91").data("/sum/verdict"), "exact");
    let line = of("91").data("/order/fees/0");
    assert_eq!(
        (&line["code"], &line["name"]),
        (&"rounding".into(), &"Rounding".into())
    );
    assert_eq!(line["net"], "0.01");
    assert_eq!(of("91").data("/order/total"), "12.21");
    assert_eq!(of("92").what(), "item.parked");
    assert_eq!(of("92").data("/code"), "order.rounding_held");
}

async fn a_held_edit_keeps_the_verb_of_what_comes_after_it(place: TestDatabase) {
    let world = World::new(place).await;
    let cancelled = |order: Order| Order {
        state: storelink_order::OrderState::Cancelled,
        ..order
    };
    world.take([world.reading("90", 1, order())]).await;
    world
        .take([world.reading("90", 2, cancelled(totalling("99.00")))])
        .await;
    world
        .take([world.reading("90", 3, cancelled(order()))])
        .await;
    world.relay.publish_waiting().await.unwrap();
    let told = hub(&world.bus).await;
    let orders: Vec<_> = told
        .iter()
        .filter(|event| event.what() != "item.parked")
        .collect();
    assert_eq!(orders[1].what(), "order.cancelled");
    assert_eq!((orders.len(), orders[1].data("/revision")), (2, &3.into()));
}
