use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use storelink_persistence::{Arg, Database, args};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::{count, opened};

on_each_database!(
    thousands_of_rows_are_upserted,
    nulls_take_the_type_of_their_column,
    all_rows_or_none,
    many_keys_are_asked_at_once,
    many_rows_are_changed_and_removed_at_once,
    no_rows_are_no_work,
    any_row_comes_back,
);

const INSERT: &str = "INSERT INTO items (id, quantity) VALUES";
const UPSERT: &str = "ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity";

fn numbered(rows: std::ops::Range<i64>, quantity: i64) -> Vec<Vec<Arg>> {
    rows.map(|number| args![format!("sku-{number}"), quantity])
        .collect()
}

async fn total(database: &Database) -> i64 {
    let sum = "SELECT CAST(SUM(quantity) AS BIGINT) AS total FROM items";
    database
        .fetch_one(sum, Vec::new())
        .await
        .unwrap()
        .int("total")
        .unwrap()
}

async fn thousands_of_rows_are_upserted(database: TestDatabase) {
    let database = opened(&database).await;
    let inserted = database
        .execute_values(INSERT, UPSERT, numbered(0..2_345, 1))
        .await
        .unwrap();
    assert_eq!(inserted, 2_345);
    database
        .execute_values(INSERT, UPSERT, numbered(2_000..3_000, 2))
        .await
        .unwrap();
    assert_eq!(
        (count(&database).await, total(&database).await),
        (3_000, 2_000 + 2 * 1_000)
    );
    let mut transaction = database.begin().await.unwrap();
    transaction
        .execute_values(INSERT, UPSERT, numbered(0..3_000, 3))
        .await
        .unwrap();
    drop(transaction);
    assert_eq!(total(&database).await, 4_000);
}

async fn nulls_take_the_type_of_their_column(database: TestDatabase) {
    let database = opened(&database).await;
    let rows = vec![
        args!["a", 1, None::<String>, None::<String>],
        args!["b", 2, Some(true), Some(5_i64)],
        args!["c", 3, None::<i64>, None::<bool>],
    ];
    let insert = "INSERT INTO items (id, quantity, active, changed_at) VALUES";
    assert_eq!(database.execute_values(insert, "", rows).await.unwrap(), 3);
    let row = database
        .fetch_one("SELECT * FROM items WHERE id = 'b'", Vec::new())
        .await
        .unwrap();
    assert_eq!(
        (row.bool("active").unwrap(), row.int("changed_at").unwrap()),
        (true, 5)
    );
}

async fn all_rows_or_none(database: TestDatabase) {
    let database = opened(&database).await;
    let mut rows = numbered(0..1_200, 1);
    rows.push(args!["bad", -1]);
    let error = database
        .execute_values(INSERT, UPSERT, rows)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "database.rule_violation");
    assert_eq!(count(&database).await, 0);
}

async fn many_keys_are_asked_at_once(database: TestDatabase) {
    let database = opened(&database).await;
    database
        .execute_values(INSERT, UPSERT, numbered(0..1_500, 1))
        .await
        .unwrap();
    let wanted = (1_000..2_200_i64)
        .map(|number| args![format!("sku-{number}")])
        .collect();
    let found = database
        .fetch_values(
            "WITH wanted(id) AS (VALUES",
            ") SELECT items.id FROM items JOIN wanted ON wanted.id = items.id",
            wanted,
        )
        .await
        .unwrap();
    assert_eq!(found.len(), 500);
    let inserted = database
        .fetch_values(
            INSERT,
            "ON CONFLICT (id) DO NOTHING RETURNING id",
            numbered(1_499..1_502, 1),
        )
        .await
        .unwrap();
    let mut ids: Vec<String> = inserted.iter().map(|row| row.text("id").unwrap()).collect();
    ids.sort();
    assert_eq!(ids, ["sku-1500", "sku-1501"]);
}

async fn many_rows_are_changed_and_removed_at_once(database: TestDatabase) {
    let database = opened(&database).await;
    database
        .execute_values(INSERT, UPSERT, numbered(0..10, 1))
        .await
        .unwrap();
    let changed = database
        .execute_values(
            "WITH v(id, quantity) AS (VALUES",
            ") UPDATE items SET quantity = v.quantity FROM v WHERE items.id = v.id",
            numbered(5..20, 4),
        )
        .await
        .unwrap();
    assert_eq!((changed, total(&database).await), (5, 5 + 5 * 4));
    let keys = (0..5_i64)
        .map(|number| args![format!("sku-{number}")])
        .collect();
    let removed = database
        .execute_values("DELETE FROM items WHERE id IN (VALUES", ")", keys)
        .await;
    assert_eq!((removed.unwrap(), count(&database).await), (5, 5));
}

async fn no_rows_are_no_work(database: TestDatabase) {
    let database = opened(&database).await;
    assert_eq!(
        database
            .execute_values(INSERT, UPSERT, Vec::new())
            .await
            .unwrap(),
        0
    );
    let none = database
        .fetch_values("SELECT * FROM (VALUES", ") AS v", Vec::new())
        .await;
    assert!(none.unwrap().is_empty());
}

/// Any mixture of values and nulls in any order, with the seed fixed by proptest.
async fn any_row_comes_back(database: TestDatabase) {
    type Generated = (
        u32,
        Option<Vec<u8>>,
        Option<bool>,
        Option<i64>,
        Option<String>,
    );
    let database = opened(&database).await;
    let rows = prop::collection::vec(
        any::<Generated>().prop_map(|(quantity, payload, active, changed, note)| {
            (
                quantity,
                payload,
                active,
                changed,
                note.map(|text| text.replace('\0', "")),
            )
        }),
        1..700,
    );
    let mut runner = TestRunner::deterministic();
    for _ in 0..8 {
        let rows = rows.new_tree(&mut runner).unwrap().current();
        let args = rows.iter().cloned().enumerate().map(|(number, row)| {
            let (quantity, payload, active, changed, note) = row;
            args![
                format!("{number:04}"),
                quantity,
                payload,
                active,
                changed,
                note
            ]
        });
        let insert = "INSERT INTO items (id, quantity, payload, active, changed_at, note) VALUES";
        database
            .execute_values(insert, "", args.collect())
            .await
            .unwrap();
        let stored = database
            .fetch_all("SELECT * FROM items ORDER BY id", Vec::new())
            .await
            .unwrap();
        let stored: Vec<Generated> = stored
            .iter()
            .map(|row| {
                (
                    row.int("quantity").unwrap().try_into().unwrap(),
                    row.opt_bytes("payload").unwrap(),
                    row.opt_bool("active").unwrap(),
                    row.opt_int("changed_at").unwrap(),
                    row.opt_text("note").unwrap(),
                )
            })
            .collect();
        assert_eq!(stored, rows);
        database
            .execute("DELETE FROM items", Vec::new())
            .await
            .unwrap();
    }
}
