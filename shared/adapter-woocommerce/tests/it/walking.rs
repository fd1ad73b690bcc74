//! A walk shows everything of its window, whatever happens to the store meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use storelink_adapter_api::{
    AdapterError, ErrorClass, OrderWindow, Position, ProductWindow, StoreAccess, StoreAdapter,
};
use storelink_adapter_woocommerce::WooCommerce;
use storelink_model::Timestamp;

use crate::changing_store::{Row, Store};
use crate::rig::Rig;

/// 2026-11-01T00:00:00Z.
const START: i64 = 1_793_491_200;

fn row(id: u64, modified: i64) -> Row {
    Row {
        id,
        modified,
        status: "processing",
    }
}

fn window(since: i64) -> OrderWindow {
    OrderWindow {
        modified_since: Timestamp::from_micros(since * 1_000_000),
        page_limit: None,
    }
}

/// All ids that a walk shows, with the status last seen. The position goes through text, as a
/// caller keeps it.
async fn orders(
    access: &StoreAccess,
    since: i64,
) -> Result<BTreeMap<String, String>, AdapterError> {
    let mut shown = BTreeMap::new();
    let mut position: Option<Position> = None;
    for _ in 0..200 {
        let page = WooCommerce::new()
            .read_orders(access, &window(since), position.as_ref())
            .await?;
        assert!(page.store_time.is_some());
        for reading in page.orders {
            let order = reading.order.unwrap();
            shown.insert(reading.external_id, order.store_status);
        }
        let Some(next) = page.next else {
            return Ok(shown);
        };
        let kept = serde_json::to_string(&next).unwrap();
        position = Some(serde_json::from_str(&kept).unwrap());
    }
    panic!("the walk does not end");
}

async fn products(access: &StoreAccess, since: Option<i64>) -> BTreeSet<String> {
    let window = ProductWindow {
        modified_since: since.map(|since| Timestamp::from_micros(since * 1_000_000)),
    };
    let mut shown = BTreeSet::new();
    let mut position: Option<Position> = None;
    for _ in 0..200 {
        let adapter = WooCommerce::new();
        let page = adapter
            .read_products(access, &window, position.as_ref())
            .await
            .unwrap();
        shown.extend(page.products.into_iter().map(|product| product.external_id));
        let Some(next) = page.next else { return shown };
        position = Some(next);
    }
    panic!("the walk does not end");
}

fn ids(ids: impl IntoIterator<Item = u64>) -> BTreeSet<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

async fn serve(store: &Store) -> Rig {
    let store = store.clone();
    Rig::http(move |asked| store.answer(asked)).await
}

#[tokio::test]
async fn the_second_of_the_bound_itself_is_in_the_window() {
    let store = Store::new([row(1, START - 1), row(2, START), row(3, START + 1)]);
    let rig = serve(&store).await;
    let shown = orders(&rig.access(), START).await.unwrap();
    assert_eq!(shown.keys().collect::<Vec<_>>(), ["2", "3"]);
    let asked = rig.asked();
    assert_eq!(
        asked[0].parameter("modified_after").as_deref(),
        Some("2026-10-31T23:59:59")
    );
    assert_eq!(asked.len(), 2, "one page and the trash");
}

#[tokio::test]
async fn the_trash_is_shown_as_cancelled_and_unfinished_checkouts_are_not() {
    let store = Store::new([
        Row {
            status: "trash",
            ..row(1, START + 5)
        },
        Row {
            status: "checkout-draft",
            ..row(2, START + 6)
        },
        Row {
            status: "auto-draft",
            ..row(3, START + 7)
        },
        Row {
            status: "wc-packing",
            ..row(4, START + 8)
        },
        Row {
            status: "trash",
            ..row(5, START - 5)
        },
    ]);
    let rig = serve(&store).await;
    let shown = orders(&rig.access(), START).await.unwrap();
    let shown: Vec<(&str, &str)> = shown
        .iter()
        .map(|(id, is)| (id.as_str(), is.as_str()))
        .collect();
    assert_eq!(shown, [("1", "trash"), ("4", "wc-packing")]);
}

#[tokio::test]
async fn more_orders_of_one_second_than_fit_on_a_page_are_all_shown() {
    let crowd = (1..=350).map(|id| row(id, START + 10));
    let around = [
        row(900, START + 9),
        row(901, START + 11),
        row(902, START + 500),
    ];
    let store = Store::new(crowd.chain(around));
    let rig = serve(&store).await;
    let shown = orders(&rig.access(), START).await.unwrap();
    assert_eq!(shown.len(), 353);
    assert!(store.requests() < 12, "{} requests", store.requests());
}

#[tokio::test]
async fn edits_that_shift_all_pages_lose_nothing() {
    // Three pages; before each further request twenty orders of the first page are edited, which
    // moves them to the end and everything else forward.
    let store = Store::new((1..=300).map(|id| row(id, START + i64::try_from(id).unwrap() * 10)));
    for request in 2..6_usize {
        store.before(request, move |rows| {
            let first = u64::try_from(request).unwrap() * 20;
            for id in first..first + 20 {
                rows.get_mut(&id).unwrap().modified = START + 10_000;
            }
        });
    }
    let rig = serve(&store).await;
    let shown = orders(&rig.access(), START).await.unwrap();
    assert_eq!(shown.len(), 300);
}

#[tokio::test]
async fn edits_inside_a_crowded_second_lose_nothing() {
    let store = Store::new((1..=330).map(|id| row(id, START + 10)));
    // The walk by id is under way: orders of its first page leave the second one by one.
    for request in 2..6_usize {
        store.before(request, move |rows| {
            for id in 1..=10 {
                let id = id + 10 * u64::try_from(request).unwrap();
                rows.get_mut(&id).unwrap().modified = START + 9_000;
            }
        });
    }
    let rig = serve(&store).await;
    assert_eq!(orders(&rig.access(), START).await.unwrap().len(), 330);
}

#[tokio::test]
async fn an_order_edited_while_the_page_was_made_is_no_bound() {
    // The last order of a full page shows a time of right now: it was edited after the store had
    // chosen the page. The 150 orders between must still be shown.
    let now = Timestamp::now().datetime().unix_timestamp();
    let store = Store::new((1..=250).map(|id| row(id, START + i64::try_from(id).unwrap() * 10)));
    let rig = {
        let store = store.clone();
        Rig::http(move |asked| {
            let reply = store.answer(asked);
            if store.requests() != 1 {
                return reply;
            }
            let mut rows: Vec<serde_json::Value> = serde_json::from_slice(&reply.body).unwrap();
            let at = Timestamp::from_micros(now * 1_000_000).to_string();
            rows[99]["date_modified_gmt"] = at.trim_end_matches('Z').into();
            crate::rig::Reply {
                body: serde_json::to_vec(&rows).unwrap(),
                ..reply
            }
        })
        .await
    };
    assert_eq!(orders(&rig.access(), START).await.unwrap().len(), 250);
}

#[tokio::test]
async fn a_store_that_does_not_know_the_bound_is_noticed() {
    let store = Store::new([row(1, START - 100), row(2, START + 1)]).without_bounds();
    let rig = serve(&store).await;
    let error = orders(&rig.access(), START).await.unwrap_err();
    assert_eq!(error.code, "woocommerce.modified_filter_ignored");
    assert_eq!(error.class, ErrorClass::Attention);
}

#[tokio::test]
async fn one_row_with_an_odd_time_stops_no_other() {
    // A plugin shows a time of its own: before the window, in the middle of a full page, and where a
    // second is crowded.
    let crowd = (1..=150).map(|id| row(id, START + 10));
    let later = (151..=300).map(|id| row(id, START + i64::try_from(id).unwrap()));
    let store =
        Store::new(crowd.chain(later)).showing([(3, START - 500_000), (200, START - 1), (300, 0)]);
    let rig = serve(&store).await;
    let access = rig.access();
    assert_eq!(orders(&access, START).await.unwrap().len(), 300);
    let page = WooCommerce::new()
        .read_orders(&access, &window(START + 300), None)
        .await
        .unwrap();
    let [odd] = &page.orders[..] else {
        panic!("{:?}", page.orders)
    };
    assert_eq!((odd.external_id.as_str(), odd.modified), ("300", None));
}

#[tokio::test]
async fn one_product_with_an_odd_time_stops_no_other() {
    let published = |id| Row {
        status: "publish",
        ..row(id, START + 5)
    };
    let store = Store::new((1..=120).map(published)).showing([(7, START - 1)]);
    let rig = serve(&store).await;
    assert_eq!(products(&rig.access(), Some(START)).await.len(), 120);
}

#[tokio::test]
async fn an_answer_that_is_too_large_stops_nothing_but_itself() {
    let rig = Rig::http(|_| crate::rig::Reply::json(200, " ".repeat(17 * 1024 * 1024))).await;
    let error = orders(&rig.access(), START).await.unwrap_err();
    assert_eq!(error.code, "http.response_too_large");
    assert_eq!(error.class, ErrorClass::Rejected);
}

#[tokio::test]
async fn heads_lead_along_the_same_way_as_whole_orders() {
    let crowd = (1..=130).map(|id| row(id, START + 10));
    let later = (131..=200).map(|id| row(id, START + i64::try_from(id).unwrap()));
    let draft = Row {
        status: "checkout-draft",
        ..row(400, START + 400)
    };
    let store = Store::new(crowd.chain(later).chain([draft]));
    let rig = serve(&store).await;
    let (access, adapter) = (rig.access(), WooCommerce::new());
    let mut shown = BTreeSet::new();
    let mut position: Option<Position> = None;
    // Heads and whole orders in turn, of pages of changing size, as a walk past a broken page does.
    for turn in 0..200_u32 {
        let window = OrderWindow {
            page_limit: (turn % 3 > 0).then_some(10),
            ..window(START)
        };
        let next = if turn % 2 == 0 {
            let list = adapter.list_orders(&access, &window, position.as_ref());
            let list = list.await.unwrap().unwrap();
            assert!(list.heads.iter().all(|head| head.modified.is_some()));
            shown.extend(list.heads.into_iter().map(|head| head.external_id));
            list.next
        } else {
            let page = adapter.read_orders(&access, &window, position.as_ref());
            let page = page.await.unwrap();
            shown.extend(page.orders.into_iter().map(|order| order.external_id));
            page.next
        };
        position = next;
        if position.is_none() {
            assert_eq!(shown, ids(1..=200));
            let fields = "id,status,date_created_gmt,date_modified_gmt";
            assert!(
                rig.asked()
                    .iter()
                    .any(|asked| asked.parameter("_fields").as_deref() == Some(fields))
            );
            return;
        }
    }
    panic!("the walk does not end");
}

#[tokio::test]
async fn a_position_of_another_version_starts_the_window_anew() {
    let store = Store::new([row(1, START + 1)]);
    let rig = serve(&store).await;
    let old = Position(serde_json::json!({"page": 7}));
    let page = WooCommerce::new()
        .read_orders(&rig.access(), &window(START), Some(&old))
        .await
        .unwrap();
    assert_eq!(page.orders.len(), 1);
}

#[tokio::test]
async fn all_products_are_shown_while_others_are_deleted_and_added() {
    let store = Store::new((1..=320).map(|id| Row {
        status: "publish",
        ..row(id, START)
    }));
    store.before(2, |rows| rows.retain(|id, _| !(40..60).contains(id)));
    store.before(3, |rows| {
        rows.retain(|id, _| *id > 130);
        for id in 1000..1010 {
            rows.insert(
                id,
                Row {
                    status: "publish",
                    ..row(id, START)
                },
            );
        }
    });
    let rig = serve(&store).await;
    let shown = products(&rig.access(), None).await;
    let stayed = ids((131..=320).chain(1000..1010));
    assert!(
        shown.is_superset(&stayed),
        "{:?}",
        stayed.difference(&shown).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn products_are_walked_by_their_change_too() {
    let crowd = (1..=210).map(|id| Row {
        status: "publish",
        ..row(id, START + 3)
    });
    let store = Store::new(crowd.chain([Row {
        status: "draft",
        ..row(500, START - 1)
    }]));
    let rig = serve(&store).await;
    assert_eq!(products(&rig.access(), Some(START)).await, ids(1..=210));
}

#[derive(Debug, Clone)]
enum Happening {
    Edit(u64),
    Trash(u64),
    Delete(u64),
    Add(u64),
}

fn happenings() -> impl Strategy<Value = Vec<(usize, Happening)>> {
    let one = prop_oneof![
        4 => (1_u64..260).prop_map(Happening::Edit),
        1 => (1_u64..260).prop_map(Happening::Trash),
        1 => (1_u64..260).prop_map(Happening::Delete),
        1 => (300_u64..400).prop_map(Happening::Add),
    ];
    prop::collection::vec((1_usize..12, one), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is edited, trashed, deleted or added between the requests: each order that was in
    /// the window when the walk began and still exists was shown at least once.
    #[test]
    fn nothing_of_the_window_is_missed(
        spread in 1_i64..8,
        seconds in prop::collection::vec(0_i64..1_000, 150..260),
        changes in happenings(),
    ) {
        let rows = seconds.iter().enumerate().map(|(at, second)| {
            row(u64::try_from(at).unwrap() + 1, START + second % spread)
        });
        let at_start: Vec<u64> = (1..=u64::try_from(seconds.len()).unwrap()).collect();
        let store = Store::new(rows);
        let mut by_request: BTreeMap<usize, Vec<Happening>> = BTreeMap::new();
        for (request, change) in changes.clone() {
            by_request.entry(request).or_default().push(change);
        }
        for (request, changes) in by_request {
            let now = START + 1_000 + i64::try_from(request).unwrap();
            store.before(request, move |rows| {
                for change in &changes {
                    match change {
                        Happening::Edit(id) => {
                            if let Some(row) = rows.get_mut(id) { row.modified = now; }
                        }
                        Happening::Trash(id) => {
                            if let Some(row) = rows.get_mut(id) {
                                row.modified = now;
                                row.status = "trash";
                            }
                        }
                        Happening::Delete(id) => { rows.remove(id); }
                        Happening::Add(id) => { rows.insert(*id, row(*id, now)); }
                    }
                }
            });
        }
        let deleted = |id: u64| changes.iter().any(|(_, change)| matches!(change, Happening::Delete(gone) if *gone == id));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let shown = runtime.block_on(async {
            let rig = serve(&store).await;
            orders(&rig.access(), START).await.unwrap()
        });
        for id in at_start.into_iter().filter(|id| !deleted(*id)) {
            prop_assert!(shown.contains_key(&id.to_string()), "order {} was missed", id);
        }
    }
}
