use storelink_persistence::{Database, DbError, args};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;
use time::macros::datetime;

use crate::opened;

on_each_database!(
    every_type_comes_back,
    nulls_come_back_as_none,
    upsert_tells_the_new_row,
    counting_and_existence_are_read_by_type,
    a_placeholder_may_be_used_twice,
    columns_are_checked,
    broken_rules_are_told_apart,
    errors_do_not_quote_rows,
    a_text_with_nul_is_refused,
    a_plan_serves_null_and_value,
    a_missing_row_is_none_or_an_error,
);

const INSERT: &str = "INSERT INTO items (id, quantity, payload, active, changed_at, note) \
                      VALUES ($1, $2, $3, $4, $5, $6)";

async fn insert(database: &Database, id: &str, quantity: i64) -> Result<u64, DbError> {
    database
        .execute(
            "INSERT INTO items (id, quantity) VALUES ($1, $2)",
            args![id, quantity],
        )
        .await
}

async fn every_type_comes_back(database: TestDatabase) {
    let database = opened(&database).await;
    let time = datetime!(2026-03-29 01:59:59.123456 UTC);
    let note = "O'Brien \"Čaj\" 茶 \u{1F375}\n$1";
    let inserted = args!["a", i64::MAX, vec![0_u8, 255], true, time, note];
    assert_eq!(database.execute(INSERT, inserted).await.unwrap(), 1);
    let row = database
        .fetch_one("SELECT * FROM items WHERE id = $1", args!["a"])
        .await
        .unwrap();
    assert_eq!(row.int("quantity").unwrap(), i64::MAX);
    assert_eq!(row.bytes("payload").unwrap(), [0, 255]);
    assert!(row.bool("active").unwrap());
    assert_eq!(row.time("changed_at").unwrap(), time);
    assert_eq!(row.int("changed_at").unwrap(), 1_774_749_599_123_456);
    assert_eq!(row.text("note").unwrap(), note);
    let empty = args!["b", 0, Vec::<u8>::new(), false, 0, ""];
    database.execute(INSERT, empty).await.unwrap();
    let row = database
        .fetch_one("SELECT * FROM items WHERE id = $1", args!["b"])
        .await
        .unwrap();
    assert_eq!(row.opt_bytes("payload").unwrap(), Some(Vec::new()));
    assert_eq!(row.opt_bool("active").unwrap(), Some(false));
    assert_eq!(row.opt_text("note").unwrap(), Some(String::new()));
}

async fn nulls_come_back_as_none(database: TestDatabase) {
    let database = opened(&database).await;
    let nulls = args![
        "a",
        1,
        None::<Vec<u8>>,
        None::<bool>,
        None::<time::OffsetDateTime>,
        None::<&str>
    ];
    database.execute(INSERT, nulls).await.unwrap();
    let row = database
        .fetch_one("SELECT * FROM items", Vec::new())
        .await
        .unwrap();
    assert_eq!(row.opt_bytes("payload").unwrap(), None);
    assert_eq!(row.opt_bool("active").unwrap(), None);
    assert_eq!(row.opt_time("changed_at").unwrap(), None);
    assert_eq!(row.opt_int("changed_at").unwrap(), None);
    assert_eq!(row.opt_text("note").unwrap(), None);
}

async fn upsert_tells_the_new_row(database: TestDatabase) {
    let database = opened(&database).await;
    let upsert = "INSERT INTO items (id, quantity, revision) VALUES ($1, $2, 1) \
                  ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, \
                  revision = items.revision + 1 WHERE items.quantity <> excluded.quantity \
                  RETURNING revision";
    let first = database.fetch_one(upsert, args!["a", 5]).await.unwrap();
    assert_eq!(first.int("revision").unwrap(), 1);
    let changed = database.fetch_one(upsert, args!["a", 6]).await.unwrap();
    assert_eq!(changed.int("revision").unwrap(), 2);
    assert!(
        database
            .fetch_optional(upsert, args!["a", 6])
            .await
            .unwrap()
            .is_none()
    );
}

async fn counting_and_existence_are_read_by_type(database: TestDatabase) {
    let database = opened(&database).await;
    for (id, quantity) in [("a", 3), ("b", 4)] {
        insert(&database, id, quantity).await.unwrap();
    }
    let row = database
        .fetch_one(
            "SELECT COUNT(*) AS number, CAST(SUM(quantity) AS BIGINT) AS total, 1 AS one, \
             EXISTS (SELECT 1 FROM items WHERE id = $1) AS known, \
             CAST(NULL AS BIGINT) AS missing FROM items",
            args!["b"],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.int("number").unwrap(), row.int("total").unwrap()),
        (2, 7)
    );
    assert_eq!(row.int("one").unwrap(), 1);
    assert!(row.bool("known").unwrap());
    assert_eq!(row.opt_int("missing").unwrap(), None);
}

async fn a_placeholder_may_be_used_twice(database: TestDatabase) {
    let database = opened(&database).await;
    insert(&database, "a", 7).await.unwrap();
    let found = database
        .fetch_all(
            "SELECT id FROM items WHERE quantity >= $2 AND quantity <= $2 AND id = $1",
            args!["a", 7],
        )
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

async fn columns_are_checked(database: TestDatabase) {
    let database = opened(&database).await;
    insert(&database, "a", 7).await.unwrap();
    let row = database
        .fetch_one("SELECT * FROM items", Vec::new())
        .await
        .unwrap();
    for (error, text) in [
        (
            row.text("colour").unwrap_err(),
            "column `colour` is not part of the answer",
        ),
        (row.text("note").unwrap_err(), "column `note` is null"),
        (
            row.bytes("payload").unwrap_err(),
            "column `payload` is null",
        ),
    ] {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.code(), "database.column");
    }
    assert!(row.text("quantity").is_err(), "a number is no text");
    assert!(row.int("id").is_err(), "a text is no number");
    assert!(row.bytes("id").is_err(), "a text is no bytes");
}

async fn broken_rules_are_told_apart(database: TestDatabase) {
    let database = opened(&database).await;
    insert(&database, "a", 1).await.unwrap();
    let error = insert(&database, "a", 2).await.unwrap_err();
    assert!(
        error.is_unique_violation() && !error.is_transient(),
        "{error}"
    );
    let negative = insert(&database, "b", -1).await.unwrap_err();
    assert_eq!(negative.code(), "database.rule_violation");
    let without = database
        .execute("INSERT INTO items (id) VALUES ($1)", args!["c"])
        .await;
    assert_eq!(without.unwrap_err().code(), "database.rule_violation");
    let orphan = database
        .execute("INSERT INTO parts VALUES ($1, $2)", args!["nobody", 1])
        .await;
    assert_eq!(orphan.unwrap_err().code(), "database.rule_violation");
    let unknown = database
        .execute("UPDATE nowhere SET a = 1", Vec::new())
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), "database.statement");
    assert!(!unknown.is_transient());
}

async fn errors_do_not_quote_rows(database: TestDatabase) {
    let database = opened(&database).await;
    let private = "ana.novak@example.com";
    insert(&database, private, 1).await.unwrap();
    let error = insert(&database, private, 1).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(private), "{error:?}");
}

async fn a_text_with_nul_is_refused(database: TestDatabase) {
    let database = opened(&database).await;
    let error = insert(&database, "a\0b", 1).await.unwrap_err();
    assert_eq!(error.code(), "database.rule_violation");
}

async fn a_plan_serves_null_and_value(database: TestDatabase) {
    let database = opened(&database).await;
    for (id, note) in [("a", None), ("b", Some("x")), ("c", None), ("d", Some("y"))] {
        let row = args![
            id,
            1,
            None::<Vec<u8>>,
            None::<bool>,
            note.map(|_| 5_i64),
            note
        ];
        database.execute(INSERT, row).await.unwrap();
    }
    let filled = "SELECT id FROM items WHERE ($1 IS NULL OR note = $1) ORDER BY id";
    assert_eq!(
        database
            .fetch_all(filled, args![None::<&str>])
            .await
            .unwrap()
            .len(),
        4
    );
    let found = database.fetch_all(filled, args![Some("y")]).await.unwrap();
    assert_eq!(found[0].text("id").unwrap(), "d");
}

async fn a_missing_row_is_none_or_an_error(database: TestDatabase) {
    let database = opened(&database).await;
    let select = "SELECT * FROM items WHERE id = $1";
    assert!(
        database
            .fetch_optional(select, args!["a"])
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        database.fetch_one(select, args!["a"]).await.err(),
        Some(DbError::RowNotFound)
    );
    assert_eq!(
        database
            .execute("DELETE FROM items", Vec::new())
            .await
            .unwrap(),
        0
    );
    database.ping().await.unwrap();
}
