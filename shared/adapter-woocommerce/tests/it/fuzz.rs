//! Answers of a store that nobody meant to send: orders, products, batches, errors, dates, money, noise.

use std::sync::{Arc, Mutex};

use rust_decimal::Decimal;
use serde_json::{Value, json};
use storelink_adapter_api::{
    AdapterError, OrderWindow, Position, PriceWrite, ProductWindow, StockWrite, StoreAccess,
    StoreAdapter, StoreIds,
};
use storelink_adapter_woocommerce::WooCommerce;
use storelink_fuzz::Target;
use storelink_model::{Amount, Quantity, Timestamp};
use tokio::runtime::Runtime;

use crate::recording::load;
use crate::rig::{Reply, Rig, SECRET};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
/// Each input is several exchanges over a socket.
const SHORT: u64 = 120;

/// A store that answers everything with the same bytes.
struct Store {
    runtime: Runtime,
    _rig: Rig,
    access: StoreAccess,
    answer: Arc<Mutex<(u16, Vec<u8>)>>,
    adapter: WooCommerce,
}

impl Store {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let answer = Arc::new(Mutex::new((200, Vec::new())));
        let shown = answer.clone();
        let rig = runtime.block_on(Rig::http(move |_| {
            let (status, body) = shown.lock().unwrap().clone();
            let mut reply = Reply::json(status, "");
            reply.body = body;
            reply
        }));
        Self {
            runtime,
            access: rig.access(),
            _rig: rig,
            answer,
            adapter: WooCommerce::new(),
        }
    }

    fn answers(&self, status: u16, body: &[u8]) {
        *self.answer.lock().unwrap() = (status, body.to_vec());
    }
}

/// An error is named, short, and repeats no key.
fn checked<T>(outcome: Result<T, AdapterError>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.code.contains('.'), "{error:?}");
            let text = error.to_string();
            assert!(text.len() < 4_000 && !text.contains(SECRET), "{text}");
            None
        }
    }
}

/// Mostly what a store says with a good answer; by the bytes, so that an input always means the same.
fn status(input: &[u8]) -> u16 {
    let sum = input.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31) + usize::from(*byte)
    });
    [200, 200, 200, 200, 200, 400, 401, 404, 429, 500][sum % 10]
}

fn body(name: &str) -> String {
    load(name).response().body.clone()
}

#[test]
fn fuzz_orders() {
    let store = Store::open();
    let window = OrderWindow {
        modified_since: Timestamp::from_micros(0),
        page_limit: None,
    };
    let order = body("71-order-full-taxed-shipping");
    Target::new("fuzz_orders", CORPUS)
        .seed(format!("[{order}]"))
        .seed(format!("[{}]", body("303-v79-order-full")))
        .seed(order)
        .short(SHORT)
        .run(|input| {
            store.answers(status(input), input);
            store.runtime.block_on(async {
                let page = checked(
                    store
                        .adapter
                        .read_orders(&store.access, &window, None)
                        .await,
                );
                let one = checked(store.adapter.read_order(&store.access, "90").await);
                let heads = store
                    .adapter
                    .list_orders(&store.access, &window, None)
                    .await;
                checked(heads);
                let taken = page.is_some() || one.as_ref().is_some_and(Option::is_some);
                let orders = page.into_iter().flat_map(|page| page.orders);
                for reading in orders.chain(one.flatten()) {
                    assert!(!reading.external_id.is_empty());
                    match reading.order {
                        Ok(order) => {
                            assert_eq!(order.external_id, reading.external_id);
                            let _ = order.check_sum();
                            let written = serde_json::to_vec(&order).unwrap();
                            let again = serde_json::from_slice::<storelink_order::Order>(&written);
                            assert_eq!(again.unwrap(), *order);
                        }
                        Err(reason) => {
                            assert!(reason.code.starts_with("woocommerce."), "{reason:?}")
                        }
                    }
                }
                taken
            })
        });
}

#[test]
fn fuzz_products() {
    let store = Store::open();
    let window = ProductWindow {
        modified_since: None,
    };
    let simple = json!([{
        "id": 1, "name": "Mug", "type": "simple", "status": "publish", "sku": "MUG-1",
        "manage_stock": true, "stock_quantity": 3, "regular_price": "12.20", "sale_price": "",
        "date_modified_gmt": "2026-11-05T10:00:00",
    }]);
    Target::new("fuzz_products", CORPUS)
        .seed(simple.to_string())
        .seed(body("45-variations-list"))
        .seed(simple.to_string().replace("simple", "variable"))
        .short(SHORT)
        .run(|input| {
            store.answers(status(input), input);
            store.runtime.block_on(async {
                let page = checked(
                    store
                        .adapter
                        .read_products(&store.access, &window, None)
                        .await,
                );
                for product in page.iter().flat_map(|page| &page.products) {
                    assert!(!product.external_id.is_empty());
                    for article in &product.articles {
                        assert!(!article.ids.product.is_empty());
                    }
                }
                page.is_some()
            })
        });
}

#[test]
fn fuzz_answers_to_writes() {
    let store = Store::open();
    let ids = |product: &str| StoreIds {
        product: product.to_owned(),
        variation: None,
        stock_row: None,
    };
    let stock: Vec<StockWrite> = ["57", "64"]
        .map(|id| StockWrite {
            ids: ids(id),
            quantity: Quantity::new(Decimal::from(7)).unwrap(),
        })
        .into();
    let prices = [PriceWrite {
        ids: ids("57"),
        regular: Amount::new(Decimal::new(1220, 2)).unwrap(),
        sale: None,
    }];
    let good = json!({ "update": [
        { "id": 57, "manage_stock": true, "stock_quantity": 7, "regular_price": "12.20", "sale_price": "" },
        { "id": 64, "error": { "code": "woocommerce_rest_product_invalid_id", "message": "Invalid ID.",
            "data": { "status": 400 } } },
    ] });
    Target::new("fuzz_answers_to_writes", CORPUS)
        .seed(good.to_string())
        .seed(r#"{"code":"rest_no_route","message":"No.","data":{"status":404}}"#)
        .short(SHORT)
        .run(|input| {
            store.answers(status(input), input);
            store.runtime.block_on(async {
                let written = checked(store.adapter.write_stock(&store.access, &stock).await);
                assert!(
                    written
                        .as_ref()
                        .is_none_or(|outcomes| outcomes.len() == stock.len())
                );
                let priced = checked(store.adapter.write_prices(&store.access, &prices).await);
                assert!(
                    priced
                        .as_ref()
                        .is_none_or(|outcomes| outcomes.len() == prices.len())
                );
                written.is_some() || priced.is_some()
            })
        });
}

#[test]
fn fuzz_verification_of_any_store() {
    let store = Store::open();
    Target::new("fuzz_verification_of_any_store", CORPUS)
        .seed(body("01-index-fields"))
        .seed(r#"{"environment":{"version":"11.0.1"},"settings":{"currency":"EUR"}}"#)
        .seed(r#"[{"id":"woocommerce_currency","value":"EUR"}]"#)
        .seed("<html><body>Maintenance</body></html>")
        .short(SHORT / 2)
        .run(|input| {
            store.answers(status(input), input);
            let found = store.runtime.block_on(store.adapter.verify(&store.access));
            let text = serde_json::to_string(&found).unwrap();
            assert!(!text.contains(SECRET) && text.len() < 64 * 1024, "{text}");
            let _ = (found.status(), found.cause());
            true
        });
}

#[test]
fn fuzz_positions_of_walks() {
    let store = Store::open();
    let order = body("71-order-full-taxed-shipping");
    store.answers(200, format!("[{order}]").as_bytes());
    let window = OrderWindow {
        modified_since: Timestamp::from_micros(0),
        page_limit: Some(1),
    };
    let first = store
        .runtime
        .block_on(store.adapter.read_orders(&store.access, &window, None));
    let next = first
        .unwrap()
        .next
        .map_or(Value::Null, |position| position.0);
    Target::new("fuzz_positions_of_walks", CORPUS)
        .seed(next.to_string())
        .seed(r#"{"page":2,"offset":100,"after":"2026-11-22T06:30:00"}"#)
        .short(SHORT)
        .run(|input| {
            let Ok(position) = serde_json::from_slice::<Value>(input).map(Position) else {
                return false;
            };
            store.runtime.block_on(async {
                let (adapter, access) = (&store.adapter, &store.access);
                let page = adapter.read_orders(access, &window, Some(&position)).await;
                let products = ProductWindow {
                    modified_since: None,
                };
                let read = adapter
                    .read_products(access, &products, Some(&position))
                    .await;
                checked(read);
                checked(page).is_some()
            })
        });
}
