//! The last value of each SKU in SQL.

use std::collections::{HashMap, HashSet};

use storelink_events::Violation;
use storelink_model::VersionOrder;
use storelink_persistence::{Arg, Database, DbError, Row, args};

use super::event::ErpProduct;

/// Stores the products of one event that are later than what is stored. Returns what is refused:
/// versions of the other kind, and other values with the same revision.
pub(super) async fn store(
    database: &Database,
    products: &[ErpProduct],
) -> Result<Vec<Violation>, DbError> {
    if products.is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = database.begin().await?;
    let changed = transaction
        .fetch_values(
            "INSERT INTO erp_products \
             (tenant, sku, name, barcode, removed, version_order, version, sequence, happened) VALUES",
            "ON CONFLICT (tenant, sku) DO UPDATE SET name = excluded.name, \
             barcode = excluded.barcode, removed = excluded.removed, version = excluded.version, \
             sequence = excluded.sequence, happened = excluded.happened \
             WHERE excluded.version_order = erp_products.version_order \
             AND (excluded.version > erp_products.version \
             OR (excluded.version = erp_products.version AND excluded.version_order = 'time' \
             AND excluded.sequence > erp_products.sequence)) RETURNING sku",
            products.iter().map(to_row).collect(),
        )
        .await?;
    let changed: HashSet<String> = changed
        .iter()
        .map(|row| row.text("sku"))
        .collect::<Result<_, _>>()?;
    let kept: Vec<&ErpProduct> = products
        .iter()
        .filter(|product| !changed.contains(product.item.sku.as_str()))
        .collect();
    let stored = transaction
        .fetch_values(
            "WITH wanted (tenant, sku) AS (VALUES",
            ") SELECT p.sku, p.name, p.barcode, p.removed, p.version_order, p.version \
             FROM erp_products p JOIN wanted w ON w.tenant = p.tenant AND w.sku = p.sku",
            kept.iter()
                .map(|product| args![product.tenant.as_str(), product.item.sku.as_str()])
                .collect(),
        )
        .await?;
    transaction.commit().await?;

    let mut rows = HashMap::with_capacity(stored.len());
    for row in &stored {
        rows.insert(row.text("sku")?, row);
    }
    let mut violations = Vec::new();
    for product in kept {
        if let Some(row) = rows.get(product.item.sku.as_str()) {
            violations.extend(refusal(product, row)?);
        }
    }
    Ok(violations)
}

fn refusal(product: &ErpProduct, stored: &Row) -> Result<Option<Violation>, DbError> {
    let item = &product.item;
    let refuse = |code: &str, detail: &str| {
        let detail = format!("{}: {detail}", item.sku);
        let pointer = format!("/data/items/{}/revision", product.place);
        Ok(Some(Violation::new(pointer, code, detail)))
    };
    let order = product.version.order();
    if stored.text("version_order")? != order_text(order) {
        let detail = match order {
            VersionOrder::Time => "its values are ordered by revision, and this one has none",
            VersionOrder::Revision => "its values are ordered by time, and this one has a revision",
        };
        return refuse("event.version_order", detail);
    }
    let same = stored.opt_text("name")? == item.name
        && stored.opt_text("barcode")? == item.barcode
        && stored.bool("removed")? == item.removed;
    let equal = stored.int("version")? == product.version.number();
    if equal && !same && order == VersionOrder::Revision {
        let detail = "another value was published with the same revision";
        return refuse("event.revision_conflict", detail);
    }
    Ok(None)
}

fn to_row(product: &ErpProduct) -> Vec<Arg> {
    args![
        product.tenant.as_str(),
        product.item.sku.as_str(),
        product.item.name.clone(),
        product.item.barcode.clone(),
        product.item.removed,
        order_text(product.version.order()),
        product.version.number(),
        i64::try_from(product.sequence).unwrap_or(i64::MAX),
        product.time.micros(),
    ]
}

fn order_text(order: VersionOrder) -> &'static str {
    match order {
        VersionOrder::Revision => "revision",
        VersionOrder::Time => "time",
    }
}
