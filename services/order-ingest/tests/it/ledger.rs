//! What readings do to the ledger and to what is told.

use storelink_model::Timestamp;
use storelink_order::{Order, OrderState, Refund, RefundedLine};
use storelink_order_ingest::Arrival;
use storelink_order_ingest::revision::Decision;
use storelink_persistence::args;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::harness::{World, hub, kinds, noted, order};

on_each_database!(
    a_content_that_comes_back_is_a_third_event,
    a_redelivery_in_the_same_or_a_later_batch_changes_nothing,
    a_later_reading_with_equal_content_shuts_out_an_earlier_one,
    the_verb_says_what_happened,
    a_change_of_the_modified_time_alone_is_no_change,
    two_at_once_number_the_revisions_without_gap_or_double,
    raw_and_normalised_of_each_revision_are_kept,
    a_line_keeps_its_code_when_the_store_has_deleted_the_article,
);

async fn a_line_keeps_its_code_when_the_store_has_deleted_the_article(place: TestDatabase) {
    let world = World::new(place).await;
    let deleted = |note: &str| {
        let mut order = noted(note);
        order.lines[0].sku = None;
        order.lines[0].product = None;
        order
    };
    let refunded = || {
        let mut order = deleted("given back");
        order.refunds = vec![Refund {
            external_id: "r1".to_owned(),
            amount: "12.20".parse().unwrap(),
            reason: String::new(),
            created: None,
            lines: vec![RefundedLine {
                line: Some("1".to_owned()),
                sku: None,
                quantity: "2".parse().unwrap(),
                net: "10.00".parse().unwrap(),
                tax: "2.20".parse().unwrap(),
            }],
        }];
        order
    };
    world.take([world.reading("90", 1, order())]).await;
    world.take([world.reading("90", 2, deleted("a"))]).await;
    world.take([world.reading("90", 3, refunded())]).await;
    // Within one batch as well.
    let batch = [order(), deleted("b")];
    let batch = batch.map(|order| order_of(&world, "91", order));
    world.ledger.take(&batch).await.unwrap();
    // Read again, it is no change.
    let again = Arrival::new(world.reading("90", 4, refunded()), None);
    let decisions = world.ledger.take(&[again]).await.unwrap();
    assert_eq!(decisions, [Decision::Confirm]);

    assert_eq!(world.relay.publish_waiting().await.unwrap(), 5);
    let told = hub(&world.bus).await;
    for event in &told {
        assert_eq!(event.data("/order/lines/0/sku"), "MUG-01", "{event:?}");
    }
    let last = told.iter().find(|event| event.what() == "order.refunded");
    let last = last.expect("a refund is told");
    assert_eq!(last.data("/order/refunds/0/lines/0/sku"), "MUG-01");
    assert_eq!(
        last.data("/order/lines/0/product"),
        &serde_json::Value::Null
    );
}

fn order_of(world: &World, id: &str, order: Order) -> Arrival {
    static NUMBER: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Arrival::new(world.reading(id, number, order), None)
}

async fn a_content_that_comes_back_is_a_third_event(place: TestDatabase) {
    let world = World::new(place).await;
    world
        .take([
            world.reading("90", 1, noted("A")),
            world.reading("90", 2, noted("B")),
            world.reading("90", 3, noted("A")),
        ])
        .await;
    assert_eq!(world.relay.publish_waiting().await.unwrap(), 3);
    let told = hub(&world.bus).await;
    assert_eq!(
        kinds(&told),
        ["order.received", "order.updated", "order.updated"]
    );
    let notes: Vec<_> = told
        .iter()
        .map(|event| event.data("/order/note").clone())
        .collect();
    assert_eq!(notes, ["A", "B", "A"]);
    let revisions: Vec<_> = told
        .iter()
        .map(|event| event.data("/revision").clone())
        .collect();
    assert_eq!(revisions, [1, 2, 3]);
    let orders: std::collections::BTreeSet<_> = told
        .iter()
        .map(|event| event.data("/order_id").to_string())
        .collect();
    assert_eq!(orders.len(), 1);
}

async fn a_redelivery_in_the_same_or_a_later_batch_changes_nothing(place: TestDatabase) {
    let world = World::new(place).await;
    let batch = || {
        [
            Arrival::new(world.reading("91", 7, order()), None),
            Arrival::new(world.reading("90", 5, noted("B")), None),
            Arrival::new(world.reading("90", 5, noted("B")), None),
            Arrival::new(world.reading("90", 4, noted("A")), None),
        ]
    };
    let revise = |revision| Decision::Revise { revision };
    // Within a batch readings are taken by their numbers, whatever their places.
    let first = world.ledger.take(&batch()).await.unwrap();
    assert_eq!(first, [revise(1), revise(2), Decision::Repeat, revise(1)]);
    let second = world.ledger.take(&batch()).await.unwrap();
    let repeat = Decision::Repeat;
    assert_eq!(second, [repeat, repeat, repeat, Decision::Outdated]);
    assert_eq!(world.relay.publish_waiting().await.unwrap(), 3);
    assert_eq!(hub(&world.bus).await.len(), 3);
}

async fn a_later_reading_with_equal_content_shuts_out_an_earlier_one(place: TestDatabase) {
    let world = World::new(place).await;
    let mut decisions = Vec::new();
    for (number, note) in [(1, "A"), (9, "A"), (5, "B")] {
        let arrival = Arrival::new(world.reading("90", number, noted(note)), None);
        decisions.extend(world.ledger.take(&[arrival]).await.unwrap());
    }
    let revise = Decision::Revise { revision: 1 };
    assert_eq!(decisions, [revise, Decision::Confirm, Decision::Outdated]);
    let row = world
        .database
        .fetch_one("SELECT * FROM orders", args![])
        .await
        .unwrap();
    assert_eq!(
        (
            row.int("read_number").unwrap(),
            row.int("revision").unwrap()
        ),
        (9, 1)
    );
}

async fn the_verb_says_what_happened(place: TestDatabase) {
    let world = World::new(place).await;
    let refund = |id: &str, amount: &str| Refund {
        external_id: id.to_owned(),
        amount: amount.parse().unwrap(),
        reason: String::new(),
        created: None,
        lines: Vec::new(),
    };
    let steps = [
        order(),
        Order {
            refunds: vec![refund("r1", "2.00")],
            ..order()
        },
        Order {
            refunds: vec![refund("r1", "2.00")],
            ..noted("leave it at the door")
        },
        Order {
            refunds: vec![refund("r1", "2.00"), refund("r2", "0.50")],
            ..order()
        },
        Order {
            state: OrderState::Cancelled,
            ..order()
        },
        Order {
            state: OrderState::Cancelled,
            ..noted("sorry")
        },
        Order {
            state: OrderState::Refunded,
            ..order()
        },
    ];
    for (number, step) in (1..).zip(steps) {
        world.take([world.reading("90", number, step)]).await;
    }
    // The first event of an order says that it was received, whatever its state.
    world
        .take([world.reading(
            "91",
            1,
            Order {
                state: OrderState::Cancelled,
                ..order()
            },
        )])
        .await;
    world.relay.publish_waiting().await.unwrap();
    let told = hub(&world.bus).await;
    let of = |id: &str| -> Vec<String> {
        let events = told.iter().filter(|event| event.data("/external_id") == id);
        events.map(|event| event.what()).collect()
    };
    assert_eq!(
        of("90"),
        [
            "order.received",
            "order.refunded",
            "order.updated",
            "order.refunded",
            "order.cancelled",
            "order.updated",
            "order.refunded",
        ]
    );
    assert_eq!(of("91"), ["order.received"]);
}

async fn a_change_of_the_modified_time_alone_is_no_change(place: TestDatabase) {
    let world = World::new(place).await;
    let touched = Order {
        modified: Timestamp::from_micros(1_000_000),
        ..order()
    };
    world
        .take([
            world.reading("90", 1, order()),
            world.reading("90", 2, touched),
        ])
        .await;
    assert_eq!(world.relay.publish_waiting().await.unwrap(), 1);
}

async fn two_at_once_number_the_revisions_without_gap_or_double(place: TestDatabase) {
    const READINGS: i64 = 24;
    let world = World::new(place).await;
    let work = (0..2).map(|worker| {
        let ledger = world.ledger.clone();
        let readings: Vec<_> = (1..=READINGS)
            .filter(|number| number % 2 == worker)
            .map(|number| world.reading("90", number, noted(&format!("note {number}"))))
            .collect();
        tokio::spawn(async move {
            for reading in readings {
                ledger.take(&[Arrival::new(reading, None)]).await.unwrap();
            }
        })
    });
    for worker in work.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let row = world
        .database
        .fetch_one("SELECT * FROM orders", args![])
        .await
        .unwrap();
    assert_eq!(row.int("read_number").unwrap(), READINGS);
    let last = row.int("revision").unwrap();
    let revisions = world
        .database
        .fetch_all(
            "SELECT revision, read_number FROM revisions ORDER BY revision",
            args![],
        )
        .await
        .unwrap();
    let numbers: Vec<i64> = revisions
        .iter()
        .map(|row| row.int("revision").unwrap())
        .collect();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
    let reads: Vec<i64> = revisions
        .iter()
        .map(|row| row.int("read_number").unwrap())
        .collect();
    assert!(reads.is_sorted(), "{reads:?}");
    assert_eq!(reads.last(), Some(&READINGS));
}

async fn raw_and_normalised_of_each_revision_are_kept(place: TestDatabase) {
    let world = World::new(place).await;
    world.take([world.reading("90", 1, order())]).await;
    let row = world
        .database
        .fetch_one("SELECT * FROM revisions", args![])
        .await
        .unwrap();
    assert_eq!(row.text("raw").unwrap(), r#"{"id":"90","total":"12.20"}"#);
    let kept: Order = serde_json::from_str(&row.text("normalised").unwrap()).unwrap();
    assert_eq!(kept.lines, order().lines);
    assert_eq!(
        row.text("content_hash").unwrap(),
        kept.content_hash().as_str()
    );
    assert!(
        row.text("sum_check")
            .unwrap()
            .contains(r#""verdict":"exact""#)
    );
    assert!(row.opt_int("published").unwrap().is_none());
}
