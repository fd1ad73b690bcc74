//! Orders that wait for a person.

use serde_json::json;
use serde_json::value::to_raw_value;
use storelink_adapter_api::Unreadable;
use storelink_events::connection::RoundingChoice;
use storelink_events::internal::OrderRead;
use storelink_order::Order;
use storelink_persistence::args;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::harness::{World, fee, hub, kinds, order, totalling, unreadable};

on_each_database!(
    an_order_that_is_not_understood_waits_and_goes_on_when_it_is,
    a_withheld_order_waits_with_what_it_was_and_goes_on_when_the_store_gives_it,
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

async fn a_withheld_order_waits_with_what_it_was_and_goes_on_when_the_store_gives_it(
    place: TestDatabase,
) {
    let world = World::new(place).await;
    let withheld = |id: &str, number| OrderRead {
        raw: to_raw_value(&json!({ "id": id, "withheld": true })).unwrap(),
        unreadable: Some(Unreadable {
            code: "order.withheld".to_owned(),
            text: "The store lists this order but does not give it".to_owned(),
        }),
        ..unreadable(&world.connection, id, number)
    };
    // One that was given before, and one that never was.
    world.take([world.reading("90", 1, order())]).await;
    world.relay.publish_waiting().await.unwrap();
    world.take([withheld("90", 2), withheld("91", 3)]).await;
    // Each walk shows it again: no news.
    world.take([withheld("90", 4), withheld("91", 5)]).await;
    world.relay.publish_waiting().await.unwrap();
    let codes: Vec<String> = parked(&world)
        .await
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    assert_eq!(codes, ["order.withheld", "order.withheld"]);
    let told = hub(&world.bus).await;
    assert_eq!(
        kinds(&told),
        ["order.received", "item.parked", "item.parked"]
    );
    let shown =
        "SELECT external_id, number, revision, read_number FROM orders ORDER BY external_id";
    let rows = world.database.fetch_all(shown, args![]).await.unwrap();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let number = row.opt_text("number").unwrap();
            (
                number,
                row.int("revision").unwrap(),
                row.int("read_number").unwrap(),
            )
        })
        .collect();
    assert_eq!(shown, [(Some("#90".to_owned()), 2, 4), (None, 1, 5)]);

    // An answer from before is not what the store gives now.
    world.take([world.reading("91", 2, order())]).await;
    assert_eq!(parked(&world).await.len(), 2);
    for (id, number) in [("90", 6), ("91", 7)] {
        world.take([world.reading(id, number, order())]).await;
        world.relay.publish_waiting().await.unwrap();
    }
    assert_eq!(parked(&world).await, []);
    let told = hub(&world.bus).await;
    assert_eq!(kinds(&told[3..]), ["order.updated", "order.received"]);
    let revisions = [told[3].data("/revision"), told[4].data("/revision")];
    assert_eq!(revisions, [3, 2]);
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
