//! What happens in the shop: sales, cancellations, refunds, and what the API and the ledger show of it.

use serde_json::json;
use storelink_simulators::woocommerce::{ProductSpec, StoreSpec};
use storelink_simulators::{
    Action, ActionError, ClockSetting, LedgerFilter, OrderSpec, RefundLineSpec, RefundSpec, Source,
};

use crate::caller::{call, get, product, start};

fn shop() -> StoreSpec {
    let variation = |id, sku: &str, stock| ProductSpec {
        id,
        sku: sku.to_owned(),
        regular_price: "20.00".to_owned(),
        stock_quantity: stock,
        ..ProductSpec::default()
    };
    let shirt = ProductSpec {
        id: 20,
        sku: "SHIRT".to_owned(),
        name: "Shirt".to_owned(),
        stock_quantity: Some(50),
        variations: vec![
            variation(21, "SHIRT-S", Some(4)),
            variation(22, "SHIRT-M", None),
        ],
        ..ProductSpec::default()
    };
    StoreSpec {
        products: vec![product(10, "MUG", "10.00", 7), shirt],
        ..StoreSpec::named("shop")
    }
}

#[tokio::test]
async fn an_order_takes_stock_and_a_cancellation_gives_it_back() {
    let (_simulators, store) = start(shop()).await;
    let order = store
        .place_order(OrderSpec::of(&[("MUG", 2), ("SHIRT-S", 1), ("SHIRT-M", 3)]))
        .unwrap();
    assert_eq!(store.stocks()["MUG"], Some(5));
    assert_eq!(store.stocks()["SHIRT-S"], Some(3), "keeps its own stock");
    assert_eq!(
        store.stocks()["SHIRT-M"],
        Some(47),
        "shows the parent's stock"
    );
    let shown = get(&store, "products/20/variations/22").await;
    assert_eq!(shown["manage_stock"], "parent");
    assert_eq!(shown["stock_quantity"], 47);
    store.cancel_order(order).unwrap();
    assert_eq!(store.stocks()["MUG"], Some(7));
    assert_eq!(store.stocks()["SHIRT-M"], Some(50));
    store.cancel_order(order).unwrap();
    assert_eq!(
        store.stocks()["MUG"],
        Some(7),
        "a second cancellation gives nothing back"
    );
}

#[tokio::test]
async fn a_sale_moves_the_modification_date_of_product_and_parent() {
    let (_simulators, store) = start(shop()).await;
    store.set_clock(ClockSetting::Frozen(1_800_000_000));
    store.place_order(OrderSpec::of(&[("SHIRT-S", 1)])).unwrap();
    let expected = "2027-01-15T08:00:00";
    assert_eq!(
        get(&store, "products/20/variations/21").await["date_modified_gmt"],
        expected
    );
    assert_eq!(
        get(&store, "products/20").await["date_modified_gmt"],
        expected
    );
    assert_ne!(
        get(&store, "products/10").await["date_modified_gmt"],
        expected
    );
}

#[tokio::test]
async fn a_refund_by_lines_is_shown_as_recorded_and_gives_pieces_back() {
    let (_simulators, store) = start(shop()).await;
    let order = store.place_order(OrderSpec::of(&[("MUG", 2)])).unwrap();
    let line = get(&store, &format!("orders/{order}")).await["line_items"][0]["id"]
        .as_u64()
        .unwrap();
    let lines = vec![RefundLineSpec {
        item_id: line,
        quantity: 1,
        ..RefundLineSpec::default()
    }];
    let spec = RefundSpec {
        reason: "broken".to_owned(),
        lines,
        restock: true,
        ..RefundSpec::default()
    };
    store.refund(order, spec).unwrap();
    let refunds = get(&store, &format!("orders/{order}/refunds")).await;
    assert_eq!(refunds[0]["amount"], "12.20");
    assert_eq!(refunds[0]["line_items"][0]["quantity"], -1);
    assert_eq!(refunds[0]["line_items"][0]["total"], "-10.00");
    assert_eq!(refunds[0]["line_items"][0]["total_tax"], "-2.20");
    assert_eq!(refunds[0]["line_items"][0]["price"], 10);
    assert_eq!(
        refunds[0]["line_items"][0]["meta_data"][0]["value"],
        line.to_string()
    );
    let shown = get(&store, &format!("orders/{order}")).await;
    assert_eq!(shown["total"], "24.40", "the total never changes");
    assert_eq!(shown["refunds"][0]["total"], "-12.20");
    assert_eq!(shown["status"], "processing");
    assert_eq!(store.stocks()["MUG"], Some(6));
    store.refund(order, RefundSpec::default()).unwrap();
    assert_eq!(
        get(&store, &format!("orders/{order}")).await["status"],
        "refunded"
    );
    let refused = store.refund(
        order,
        RefundSpec {
            amount: Some(1.into()),
            ..RefundSpec::default()
        },
    );
    assert!(
        matches!(refused, Err(ActionError::Refused(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn trash_and_deletion_hide_an_order_as_recorded() {
    let (_simulators, store) = start(shop()).await;
    let first = store.place_order(OrderSpec::of(&[("MUG", 1)])).unwrap();
    let second = store.place_order(OrderSpec::of(&[("MUG", 1)])).unwrap();
    store.act(&Action::TrashOrder { id: first }).unwrap();
    store.act(&Action::DeleteOrder { id: second }).unwrap();
    assert_eq!(get(&store, "orders?_fields=id").await, json!([]));
    assert_eq!(
        get(&store, "orders?status=trash&_fields=id").await,
        json!([{"id": first}])
    );
    assert_eq!(
        call(&store, "GET", &format!("orders/{second}"), None)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn an_unknown_sku_is_no_sale() {
    let (_simulators, store) = start(shop()).await;
    let result = store.place_order(OrderSpec::of(&[("NONE", 1)]));
    assert!(
        matches!(result, Err(ActionError::NotFound(_))),
        "{result:?}"
    );
    assert!(store.orders().is_empty());
}

#[tokio::test]
async fn the_ledger_tells_old_and_new_values_of_writes_and_sales() {
    let (_simulators, store) = start(shop()).await;
    let body =
        json!({"update": [{"id": 10, "stock_quantity": 3}, {"id": 20, "stock_quantity": 9}]});
    assert_eq!(
        call(&store, "POST", "products/batch", Some(&body)).await.0,
        200
    );
    store.place_order(OrderSpec::of(&[("MUG", 1)])).unwrap();
    get(&store, "products/10").await;
    let page = store.ledger(LedgerFilter {
        writes_only: true,
        ..LedgerFilter::default()
    });
    assert_eq!(page.entries.len(), 2, "{:?}", page.entries);
    assert_eq!(page.last_seq, 3);
    let batch = &page.entries[0];
    assert_eq!(
        (batch.source, batch.status, batch.in_flight),
        (Source::Request, Some(200), 1)
    );
    assert!(batch.body.contains("stock_quantity"));
    let told: Vec<_> = batch
        .effects
        .iter()
        .filter(|e| e.field == "stock_quantity")
        .collect();
    assert_eq!(
        (told[0].id, &told[0].old, &told[0].new),
        (10, &json!(7), &json!(3))
    );
    assert_eq!((told[1].sku.as_str(), &told[1].new), ("SHIRT", &json!(9)));
    let sale = &page.entries[1];
    assert_eq!(
        (sale.source, sale.method.as_str()),
        (Source::Shop, "place_order")
    );
    assert!(
        sale.effects
            .iter()
            .any(|e| e.field == "stock_quantity" && e.new == json!(2))
    );
    assert_eq!(store.write_requests(), 1);
}

#[tokio::test]
async fn a_write_that_is_not_stored_is_told_with_the_old_value() {
    let (_simulators, store) = start(shop()).await;
    let body = json!({"stock_quantity": 99});
    let (status, shown) = call(&store, "PUT", "products/20/variations/22", Some(&body)).await;
    assert_eq!(
        (status, &shown["stock_quantity"]),
        (200, &json!(50)),
        "the parent's stock is shown"
    );
    let page = store.ledger(LedgerFilter::default());
    let effect = page.entries[0]
        .effects
        .iter()
        .find(|e| e.field == "stock_quantity")
        .unwrap();
    assert_eq!((&effect.old, &effect.new), (&json!(null), &json!(null)));
}
