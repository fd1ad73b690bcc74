//! One order that changes several times in a short while, from the store's panel to the events.

use serde_json::{Value, json};
use storelink_simulators::{Action, ClockSetting, OrderSpec};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;
use storelink_test_support::system::SystemOptions;
use storelink_test_support::world::read_now;

use crate::arena::{Arena, two_stores};

on_each_database!(
    an_order_edited_a_to_b_to_a_within_a_minute_ends_as_a,
    two_edits_in_the_same_second_both_arrive,
);

async fn an_order_edited_a_to_b_to_a_within_a_minute_ends_as_a(database: TestDatabase) {
    let mut arena = one_store(database).await;
    let (seen, unseen) = (place(&arena, "A").await, place(&arena, "A").await);
    arena.orders_are_right().await.unwrap();

    edit(&arena, seen, "B").await;
    edit(&arena, unseen, "B").await;
    edit(&arena, unseen, "A").await;
    read(&arena).await;
    edit(&arena, seen, "A").await;
    arena.orders_are_right().await.unwrap();

    assert_eq!(notes(&arena, seen), ["A", "B", "A"], "a walk saw each");
    let notes = notes(&arena, unseen);
    assert_eq!(notes.last().map(String::as_str), Some("A"), "{notes:?}");
    arena.system.shut_down().await.unwrap();
}

async fn two_edits_in_the_same_second_both_arrive(database: TestDatabase) {
    let mut arena = one_store(database).await;
    let order = place(&arena, "placed").await;
    // More orders of that second than fit on a page, so that the edits fall between pages, too.
    let mut others = Vec::new();
    for _ in 0..120 {
        others.push(place(&arena, "placed").await);
    }
    arena.orders_are_right().await.unwrap();

    let store = arena.first().plan.name.clone();
    let stores = arena.stores.client();
    let second = 2 + modified(&arena, *others.last().unwrap()).await;
    let still = ClockSetting::Frozen(second);
    stores.set_clock(&store, still).await.unwrap();
    edit(&arena, order, "first").await;
    for other in &others {
        edit(&arena, *other, "first").await;
    }
    read(&arena).await;
    edit(&arena, order, "second").await;
    edit(&arena, others[0], "second").await;
    edit(&arena, others[119], "second").await;
    for id in [order, others[0], others[60], others[119]] {
        assert_eq!(modified(&arena, id).await, second, "in the same second");
    }
    arena.orders_are_right().await.unwrap();
    assert_eq!(notes(&arena, order), ["placed", "first", "second"]);
    assert_eq!(notes(&arena, others[0]), ["placed", "first", "second"]);
    assert_eq!(notes(&arena, others[60]), ["placed", "first"]);
    assert_eq!(notes(&arena, others[119]), ["placed", "first", "second"]);

    // And with no walk between the two: the last one counts.
    edit(&arena, others[1], "second").await;
    edit(&arena, others[1], "third").await;
    arena.orders_are_right().await.unwrap();
    let notes = notes(&arena, others[1]);
    assert_eq!(notes.last().map(String::as_str), Some("third"), "{notes:?}");
    arena.system.shut_down().await.unwrap();
}

async fn one_store(database: TestDatabase) -> Arena {
    let options = SystemOptions::process_per_role().on(database);
    Arena::synchronised(options, &two_stores()[..1])
        .await
        .unwrap()
}

async fn place(arena: &Arena, note: &str) -> u64 {
    let mut order = OrderSpec::of(&[("SKU-00001", 1)]);
    order.customer_note = note.to_owned();
    let store = &arena.first().plan.name;
    let placed = arena.stores.client().place_order(store, order).await;
    placed.unwrap()
}

async fn edit(arena: &Arena, id: u64, note: &str) {
    let members = json!({ "customer_note": note });
    let action = Action::EditOrder { id, members };
    let store = &arena.first().plan.name;
    arena.stores.client().act(store, &action).await.unwrap();
}

async fn read(arena: &Arena) {
    let connection = &arena.first().connection;
    read_now(&arena.api, connection, "orders").await.unwrap();
}

async fn modified(arena: &Arena, id: u64) -> i64 {
    let store = &arena.first().plan.name;
    let orders = arena.stores.client().orders(store).await.unwrap();
    let order = orders.iter().find(|order| order.id == id);
    order.unwrap().modified_at
}

/// What the events say that the customer wrote, revision by revision.
fn notes(arena: &Arena, id: u64) -> Vec<String> {
    let events = arena.hub.orders_of(&arena.first().connection);
    let mut events: Vec<_> = events[&id.to_string()].iter().collect();
    events.sort_by_key(|event| event.revision);
    let note =
        |order: Option<&Value>| order.and_then(|order| order["note"].as_str().map(str::to_owned));
    events
        .into_iter()
        .filter_map(|event| note(event.order()))
        .collect()
}
