//! Expectations can fail: each of these changes of one recording (an amount, a member taken away,
//! another status) makes its case wrong.

use serde_json::Value;

use crate::playing::play;
use crate::recording::{Recording, load};
use crate::replay::cases;

/// What is changed in a recording.
enum Change {
    /// The first of these texts in the body becomes the second.
    Text(&'static str, &'static str),
    /// The member at this pointer is taken away.
    Without(&'static str),
    /// The status line.
    Status(u16),
}

use Change::{Status, Text, Without};

const CHANGES: [(&str, Change); 40] = [
    (
        "71-order-full-taxed-shipping",
        Text(r#""total":"26.32""#, r#""total":"26.33""#),
    ),
    (
        "71-order-full-taxed-shipping",
        Without("/line_items/0/total_tax"),
    ),
    (
        "71-order-full-taxed-shipping",
        Text(r#""status":"cancelled""#, r#""status":"processing""#),
    ),
    (
        "71-order-full-taxed-shipping",
        Text(r#""rate_percent":22"#, r#""rate_percent":9.5"#),
    ),
    (
        "71-order-full-taxed-shipping",
        Text(r#""customer_id":8"#, r#""customer_id":9"#),
    ),
    (
        "71-order-full-taxed-shipping",
        Text("SI12345674", "SI12345675"),
    ),
    ("71-order-full-taxed-shipping", Status(500)),
    (
        "72-order-coupon-note-emoji",
        Text(r#""discount":"3.37""#, r#""discount":"3.73""#),
    ),
    ("72-order-coupon-note-emoji", Without("/coupon_lines")),
    (
        "73-order-guest-partial-refund",
        Text(r#""customer_id":0"#, r#""customer_id":4"#),
    ),
    ("73-order-guest-partial-refund", Without("/refunds")),
    (
        "74-order-fully-refunded",
        Text(r#""status":"refunded""#, r#""status":"completed""#),
    ),
    (
        "75-order-negative-fee",
        Text(r#""total":"-2.00""#, r#""total":"2.00""#),
    ),
    ("75-order-negative-fee", Without("/fee_lines/1")),
    (
        "75b-order-line-of-deleted-product",
        Text(r#""sku":null"#, r#""sku":"X""#),
    ),
    (
        "60-orders-page1-100",
        Text(r#""total":"138.83""#, r#""total":"138.82""#),
    ),
    ("60-orders-page1-100", Without("/7/currency")),
    (
        "64-orders-modified-after-gmt",
        Text("2026-11-05T06:00:00", "2026-11-05T00:00:00"),
    ),
    ("76-order-unknown", Status(500)),
    (
        "78-order-refunds",
        Text(r#""amount":"36.60""#, r#""amount":"36.61""#),
    ),
    (
        "78-order-refunds",
        Text(
            r#""_refunded_item_id","value":"46""#,
            r#""_refunded_item_id","value":"47""#,
        ),
    ),
    ("78-order-refunds", Without("/0")),
    (
        "303-v79-order-full",
        Text(r#""total":"15291""#, r#""total":"15292""#),
    ),
    (
        "303-v79-order-full",
        Text(r#""currency":"HUF""#, r#""currency":"EUR""#),
    ),
    ("307-v79-refund-post", Without("/amount")),
    (
        "43-product-simple-full",
        Text(r#""stock_quantity":1"#, r#""stock_quantity":2"#),
    ),
    ("43-product-simple-full", Without("/manage_stock")),
    (
        "43-product-simple-full",
        Text(r#""status":"publish""#, r#""status":"draft""#),
    ),
    (
        "45-variations-list",
        Text(r#""manage_stock":"parent""#, r#""manage_stock":true"#),
    ),
    (
        "45-variations-list",
        Text(r#""regular_price":"21.9""#, r#""regular_price":"21.8""#),
    ),
    ("30-products-page1-100", Text("TORBA-01 ", "TORBA-01")),
    (
        "100-stock-put",
        Text(r#""stock_quantity":37"#, r#""stock_quantity":36"#),
    ),
    (
        "102-stock-put-not-managed",
        Text(r#""manage_stock":false"#, r#""manage_stock":true"#),
    ),
    (
        "128-price-put-sale-window",
        Text("2026-12-10T00:00:00", "2026-12-11T00:00:00"),
    ),
    ("126-price-put-sale", Without("/sale_price")),
    ("140-batch-mixed", Without("/update/3/error")),
    ("140-batch-mixed", Without("/update/0")),
    ("143-batch-100", Without("/update/5")),
    (
        "04-auth-wrong-secret-basic",
        Text("Consumer secret is invalid", "Consumer key is invalid"),
    ),
    ("149-batch-read-only-key", Status(500)),
];

fn changed(name: &str, change: &Change) -> Recording {
    let mut recording = load(name);
    let response = recording.response.as_mut().unwrap();
    let before = (response.status, response.body.clone());
    match change {
        Text(from, to) => response.body = response.body.replacen(from, to, 1),
        Status(status) => response.status = *status,
        Without(pointer) => {
            let mut body: Value = serde_json::from_str(&response.body).unwrap();
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            match body.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(member).unwrap()),
                Value::Array(rows) => drop(rows.remove(member.parse().unwrap())),
                other => panic!("{other} has no members"),
            }
            response.body = body.to_string();
        }
    }
    assert_ne!(
        before,
        (response.status, response.body.clone()),
        "{name}: nothing was changed"
    );
    recording
}

#[tokio::test]
async fn every_change_of_a_recording_is_noticed() {
    for (name, change) in &CHANGES {
        let case = cases().find(|case| case.recording == *name).unwrap();
        let facts = play(&changed(name, change), case.way).await;
        let what = match change {
            Text(_, to) => (*to).to_owned(),
            Without(pointer) => format!("without {pointer}"),
            Status(status) => format!("status {status}"),
        };
        assert!(
            case.fault(&facts).is_some(),
            "{name}: {what} goes unnoticed"
        );
    }
}
