use std::time::Duration;

use storelink_bus::streams::names;
use storelink_events::internal::{OrderRead, StoreHint};
use storelink_model::{ConnectionId, Timestamp};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::store::Asked;
use crate::world::{World, ids};

on_each_database!(
    a_hint_becomes_a_read_of_its_order_or_a_walk,
    a_hint_refused_while_its_job_is_in_work_is_tried_again,
);

/// What the reading with the largest number shows.
fn last(orders: &[OrderRead]) -> &str {
    let last = orders.iter().max_by_key(|order| order.read_number).unwrap();
    &last.order.as_ref().unwrap().note
}

fn reads(asked: &[Asked]) -> usize {
    let reads = asked
        .iter()
        .filter(|asked| matches!(asked, Asked::Order(_)));
    reads.count()
}

async fn a_hint_becomes_a_read_of_its_order_or_a_walk(database: TestDatabase) {
    let world = World::start(database, 1).await;
    let store = &world.links[0].id;
    world.store().place(1);
    world.store().place(2);
    world.hint(store, Some(2)).await;
    world.at_rest().await;
    assert_eq!(world.store().asked(), [Asked::Order("2".into())]);
    assert_eq!(ids(&world.orders().await), ["2"]);

    world.hint(store, None).await;
    world.at_rest().await;
    let asked = world.store().asked();
    assert!(matches!(asked[0], Asked::Orders { .. }), "{asked:?}");
    assert_eq!(ids(&world.orders().await), ["1"], "2 is known");
    world.stop().await;
}

async fn a_hint_refused_while_its_job_is_in_work_is_tried_again(database: TestDatabase) {
    let world = World::start(database, 1).await;
    let store = &world.links[0].id;
    world.store().place(7);
    world.store().slow_down(Duration::from_secs(2));
    world.hint(store, Some(7)).await;
    let mut asked = Vec::new();
    world
        .until("the read is under way", async || {
            asked.extend(world.store().asked());
            reads(&asked) == 1
        })
        .await;
    // The answer under way shows the order as it was.
    world.store().edit(7, "ring twice");
    world.store().slow_down(Duration::ZERO);
    world.hint(store, Some(7)).await;
    world.at_rest().await;

    let orders = world.orders().await;
    assert_eq!(orders.len(), 2);
    let first = orders.iter().min_by_key(|order| order.read_number).unwrap();
    assert_eq!(
        first.order.as_ref().unwrap().note,
        "",
        "the edit came later"
    );
    assert_eq!(last(&orders), "ring twice");
    asked.extend(world.store().asked());
    assert_eq!(reads(&asked), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_flood_of_hints_for_one_order_is_few_reads_and_the_last_word_counts() {
    let world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    let store = &world.links[0].id;
    world.store().place(7);
    for edit in 0..500 {
        world.store().edit(7, &format!("edit {edit}"));
        world.hint(store, Some(7)).await;
    }
    world.at_rest().await;
    assert_eq!(last(&world.orders().await), "edit 499");
    // One in each second that the flood lasts, whatever the machine makes of that; never one for each.
    let reads = reads(&world.store().asked());
    assert!(reads <= 100, "{reads} reads for 500 hints");
    world.stop().await;
}

#[tokio::test]
async fn a_flood_of_hints_of_one_store_holds_no_other_up_and_ends_in_a_walk() {
    let world = World::start_with(TestDatabase::sqlite().unwrap(), 2, 100).await;
    let (flooding, other) = (&world.links[0], &world.links[1]);
    flooding.store.slow_down(Duration::from_secs(1));
    for id in 0..300 {
        flooding.store.place(id);
    }
    for id in 0..300 {
        world.hint(&flooding.id, Some(id)).await;
    }
    other.store.place(1);
    world.hint(&other.id, Some(1)).await;
    let mut orders = Vec::new();
    let mut most = 0;
    let at_other = |orders: &[OrderRead]| orders.iter().any(|order| order.connection == other.id);
    world
        .until("the other store's order is there", async || {
            most = most.max(world.messages(names::JOBS).await);
            orders.extend(world.orders().await);
            at_other(&orders)
        })
        .await;
    // Not behind the flood.
    let flooded = orders
        .iter()
        .filter(|order| order.connection == flooding.id);
    assert!(flooded.count() < 300);
    assert!(most <= 25, "{most} jobs of hints");

    world
        .until("every order is there", async || {
            orders.extend(world.orders().await);
            let mut seen = ids(&orders);
            seen.dedup();
            seen.len() == 300
        })
        .await;
    world.at_rest().await;
    let asked = flooding.store.asked();
    assert!(reads(&asked) <= 30, "{}", reads(&asked));
    world.stop().await;
}

#[tokio::test]
async fn hints_that_nothing_is_to_be_read_for_leave_the_stream() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 3).await;
    world.change(0, |record| record.paused = true).await;
    let off = vec!["products".to_owned()];
    world.change(1, |record| record.active_entities = off).await;
    // What the poller knows of a connection counts: the order of the third is read after the change.
    let job = world.job_of(2, "orders");
    world.run(job).await;
    for link in 0..2 {
        world.links[link].store.place(1);
        world.hint(&world.links[link].id, Some(1)).await;
    }
    world.hint(&ConnectionId::generate(), Some(1)).await;
    let products = StoreHint {
        connection: world.links[2].id.clone(),
        platform: "shelf".parse().unwrap(),
        entity: "products".to_owned(),
        topic: None,
        external_id: Some("5".to_owned()),
        received_at: Timestamp::now(),
    };
    world.hint_as(&products).await;
    world.at_rest().await;
    for link in &world.links[..2] {
        assert_eq!(link.store.asked(), []);
    }
    assert_eq!(ids(&world.orders().await), Vec::<String>::new());
    world.stop().await;
}
