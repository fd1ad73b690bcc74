//! Builds stores in the recorded state from the recordings that show whole objects.

use std::sync::LazyLock;

use serde_json::{Value, json};
use storelink_simulators::woocommerce::{ApiKey, Permission, Role, Snapshot, StoreSpec, Version};

use crate::recordings::{basic_pair, body};

/// When a recording was made; the data changed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Before the writes of recordings 100 to 164.
    Before,
    /// After them.
    AfterWrites,
    /// After a hundred more orders had been made.
    ManyOrders,
}

/// The new store as it was in an era.
pub(crate) fn new_store(era: Era) -> StoreSpec {
    static SPEC: LazyLock<StoreSpec> = LazyLock::new(read_new_store);
    let mut spec = SPEC.clone();
    if era != Era::Before {
        after_writes(&mut spec.snapshot);
    }
    if era == Era::ManyOrders {
        many_orders(&mut spec.snapshot);
    }
    spec
}

fn read_new_store() -> StoreSpec {
    StoreSpec {
        title: "Rig Store".to_owned(),
        home: Some("http://127.0.0.1:8102".to_owned()),
        trust_forwarded_proto: true,
        keys: keys(),
        snapshot: Snapshot {
            products: products(),
            variations: variations(),
            orders: orders(),
            refunds: refunds(),
            notes: notes(),
        },
        ..StoreSpec::named("recorded")
    }
}

/// The old store.
pub(crate) fn old_store() -> StoreSpec {
    let mut orders = vec![body("303")];
    // The other orders are known by their count only (recording 300).
    for id in 1_001..1_016 {
        let mut order = body("303");
        order["id"] = json!(id);
        orders.push(order);
    }
    let product = |id: u64, sku: &str, name: &str, kind: &str| json!({"id": id, "sku": sku, "name": name, "type": kind});
    StoreSpec {
        version: Version::V7_9,
        home: Some("http://127.0.0.1:8112".to_owned()),
        trust_forwarded_proto: true,
        keys: vec![pair("300", Permission::ReadWrite, Role::Administrator)],
        snapshot: Snapshot {
            // Two products are known by lines of recording 303 only.
            products: vec![
                body("304"),
                product(14, "HU-002", "Term\u{e9}k 2", "simple"),
                product(42, "MAJ-2", "P\u{f3}l\u{f3} 2", "variable"),
            ],
            variations: vec![json!({"id": 44, "parent_id": 42, "sku": "MAJ-2-S-MOD"})],
            orders,
            ..Snapshot::default()
        },
        ..StoreSpec::old("recorded-old")
    }
}

/// Changes an object of a snapshot, member by member; adds it if it is not there.
pub(crate) fn merge(objects: &mut Vec<Value>, id: u64, members: &Value) {
    let position = objects
        .iter()
        .position(|object| object["id"] == id)
        .unwrap_or_else(|| {
            objects.push(json!({"id": id}));
            objects.len() - 1
        });
    for (name, value) in members.as_object().unwrap() {
        objects[position][name] = value.clone();
    }
}

fn keys() -> Vec<ApiKey> {
    vec![
        pair("06", Permission::ReadWrite, Role::Administrator),
        pair("11", Permission::Read, Role::Administrator),
        pair("12", Permission::Write, Role::Administrator),
        pair("13", Permission::ReadWrite, Role::Customer),
        pair("14", Permission::ReadWrite, Role::Deleted),
        pair("15", Permission::ReadWrite, Role::ShopManager),
    ]
}

fn pair(number: &str, permission: Permission, role: Role) -> ApiKey {
    let (key, secret) = basic_pair(number);
    ApiKey {
        key,
        secret,
        permission,
        role,
    }
}

fn list(number: &str) -> Vec<Value> {
    body(number).as_array().expect("a list").clone()
}

fn products() -> Vec<Value> {
    let mut products = list("30");
    // Known by recordings 42 and 117 only.
    products.push(
        json!({"id": 54, "sku": "MK-000040", "status": "trash", "type": "simple",
        "manage_stock": true, "stock_quantity": 1, "date_created_gmt": "2026-11-22T04:45:01"}),
    );
    products
}

/// Whole variations where they are shown, else what is shown of them.
fn variations() -> Vec<Value> {
    let mut variations = list("45");
    for part in list("46") {
        let mut whole = variations[0].clone();
        for (name, value) in part.as_object().unwrap() {
            whole[name] = value.clone();
        }
        whole["parent_id"] = json!(57);
        whole["date_created"] = json!("2026-11-22T05:45:02");
        whole["date_created_gmt"] = json!("2026-11-22T04:45:02");
        variations.push(whole);
    }
    for parent in [71_u64, 78] {
        for id in parent + 1..parent + 7 {
            // Their parents are recorded as on sale from 17.5.
            variations.push(
                json!({"id": id, "parent_id": parent, "regular_price": "20.9",
                "sale_price": "17.5", "date_created_gmt": "2026-11-22T04:45:05"}),
            );
        }
    }
    for known in list("47") {
        merge(&mut variations, known["id"].as_u64().unwrap(), &known);
    }
    for variation in &mut variations {
        variation["type"] = json!("variation");
    }
    variations
}

fn orders() -> Vec<Value> {
    let mut orders = list("60");
    // Known by recordings 69 and 91 only: one in the trash, one unfinished checkout.
    orders.push(bare_order(129, "trash"));
    orders.push(bare_order(128, "checkout-draft"));
    orders
}

fn bare_order(id: u64, status: &str) -> Value {
    json!({"id": id, "status": status, "number": id.to_string(), "currency": "EUR",
        "date_created_gmt": "2026-11-22T04:45:23", "date_modified_gmt": "2026-11-22T04:45:23"})
}

/// Whole refunds where they are shown.
fn refunds() -> Vec<Value> {
    let mut refunds = list("79");
    for mut refund in list("78") {
        refund["parent_id"] = json!(97);
        refunds.push(refund);
    }
    refunds
}

fn notes() -> Vec<Value> {
    let mut notes = list("80");
    for note in &mut notes {
        note["order_id"] = json!(86);
    }
    notes
}

/// What recordings 100 to 164 changed, as far as lists and totals show it.
fn after_writes(snapshot: &mut Snapshot) {
    let modified = json!({"date_modified_gmt": "2026-11-22T04:52:01"});
    for id in [16, 18, 19, 20] {
        merge(&mut snapshot.products, id, &modified);
    }
    merge(&mut snapshot.products, 130, &body("138"));
    merge(&mut snapshot.products, 130, &modified);
    merge(&mut snapshot.orders, 86, &modified);
    merge(&mut snapshot.orders, 120, &json!({"status": "trash"}));
    snapshot.orders.push(body("155"));
    snapshot.orders.push(body("156"));
}

/// A hundred orders, known by recordings 83, 84 and 99 only.
fn many_orders(snapshot: &mut Snapshot) {
    let statuses = ["processing", "on-hold", "completed"];
    for id in 139..=238_u64 {
        let mut order = bare_order(id, statuses[usize::try_from(id % 3).unwrap()]);
        order["date_created_gmt"] = json!("2026-11-22T05:10:00");
        snapshot.orders.push(order);
    }
    let mut trashed = bare_order(239, "trash");
    trashed["date_modified_gmt"] = json!("2026-11-22T05:14:51");
    snapshot.orders.push(trashed);
}
