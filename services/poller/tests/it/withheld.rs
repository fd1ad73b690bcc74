use storelink_model::Timestamp;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::store::Asked;
use crate::world::{World, ids};

on_each_database!(an_order_that_breaks_its_list_holds_no_other_up);

async fn an_order_that_breaks_its_list_holds_no_other_up(database: TestDatabase) {
    let mut world = World::start_with(database, 1, 100).await;
    for id in 1..=15 {
        world.store().place(id);
    }
    world.store().break_orders([3]);
    let report = world.read_orders().await;
    assert_eq!(report.error_code, None);
    assert!(report.failed >= 1, "{report:?}");
    let orders = world.orders().await;
    assert_eq!(ids(&orders).len(), 15);
    let withheld = orders
        .iter()
        .find(|order| order.external_id == "3")
        .unwrap();
    assert!(withheld.order.is_none());
    let why = withheld.unreadable.as_ref().unwrap();
    assert_eq!(why.code, "order.withheld");
    assert!(why.text.contains("the shelf broke"), "{}", why.text);

    // Later orders arrive, and what stays withheld is no news.
    world.store().place(16);
    world.store().edit(1, "please ring");
    let report = world.read_orders().await;
    assert_eq!(report.error_code, None);
    assert_eq!(ids(&world.orders().await), ["1", "16"]);

    // Long after the walks have passed it, it is asked for again by its id.
    let long_ago = Timestamp::now().saturating_sub(time::Duration::hours(30));
    world.store().edit_at(3, "mended", long_ago);
    world.store().break_orders([]);
    world.store().asked();
    let report = world.read_orders().await;
    assert_eq!(report.error_code, None);
    let orders = world.orders().await;
    assert_eq!(ids(&orders), ["3"]);
    assert_eq!(orders[0].order.as_ref().unwrap().note, "mended");
    let by_id = Asked::Order("3".into());
    assert_eq!(world.store().asked()[0], by_id);

    world.read_orders().await;
    assert!(
        !world.store().asked().contains(&by_id),
        "it is not withheld any more"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_page_that_is_too_large_is_read_in_smaller_ones() {
    let mut world = World::start_with(TestDatabase::sqlite().unwrap(), 1, 100).await;
    for id in 1..=35 {
        world.store().place(id);
    }
    world.store().limit_pages(10);
    let report = world.read_orders().await;
    assert_eq!((report.changed, report.failed), (35, 0));
    assert_eq!((report.error_code, report.needs_attention), (None, false));
    let asked = world.store().asked();
    assert!(
        asked
            .iter()
            .all(|asked| matches!(asked, Asked::Orders { .. })),
        "{asked:?}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_gives_no_order_at_all_is_in_trouble_and_loses_none() {
    let mut world = World::start_with(TestDatabase::sqlite().unwrap(), 1, 100).await;
    for id in 1..=5 {
        world.store().place(id);
    }
    world.store().break_orders(1..=5);
    let report = world.read_orders().await;
    assert_eq!(report.error_code.as_deref(), Some("shelf.crash"));
    assert_eq!(ids(&world.orders().await), Vec::<String>::new());
    let singles = world.store().asked();
    let singles = singles
        .iter()
        .filter(|asked| matches!(asked, Asked::Order(_)));
    assert_eq!(singles.count(), 5, "no other order is known");

    // The only order of a page is judged by whether the store gives one that is known.
    world.store().break_orders([]);
    assert_eq!(world.read_orders().await.changed, 5);
    world.orders().await;
    let ahead = Timestamp::now().saturating_add(time::Duration::minutes(30));
    world.store().place_at(6, ahead);
    world.store().break_orders(1..=6);
    world.store().asked();
    assert!(world.read_orders().await.error_code.is_some());
    let asked = world.store().asked();
    let singles = asked
        .iter()
        .filter(|asked| matches!(asked, Asked::Order(_)));
    assert_eq!(
        singles.count(),
        4,
        "three of the page and one that is known"
    );
    world.store().break_orders([6]);
    assert_eq!(world.read_orders().await.error_code, None);
    let orders = world.orders().await;
    assert!(
        orders
            .iter()
            .any(|order| order.external_id == "6" && order.order.is_none())
    );
    world.stop().await;
}

#[tokio::test]
async fn many_withheld_orders_are_a_fault_of_the_store_and_stop_its_walk() {
    let mut world = World::start_with(TestDatabase::sqlite().unwrap(), 1, 100).await;
    for id in 1..=80 {
        world.store().place(id);
    }
    world
        .store()
        .break_orders((1..=80).filter(|id| id % 5 != 0));
    let report = world.read_orders().await;
    assert_eq!(
        report.error_code.as_deref(),
        Some("poller.too_many_withheld")
    );
    world.store().break_orders([]);
    world.orders().await;
    let report = world.read_orders().await;
    assert_eq!(report.error_code, None);
    let given = world.orders().await;
    assert!(given.iter().all(|order| order.order.is_some()));
    world.stop().await;
}
