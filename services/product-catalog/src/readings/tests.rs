use std::time::Duration;

use storelink_adapter_api::{StockKeeping, StoreIds};
use storelink_model::Timestamp;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;

use super::*;
use crate::{MIGRATOR, SERVICE};

async fn opened(database: &TestDatabase) -> Database {
    let database = Database::open(&database.settings(), SERVICE).await.unwrap();
    database.migrate(&MIGRATOR).await.unwrap();
    database
}

fn reading(connection: &ConnectionId, number: i64, id: &str, sku: &str, row: &str) -> ProductRead {
    let article = Article {
        sku: Some(sku.parse().unwrap()),
        ids: StoreIds {
            product: id.to_owned(),
            variation: None,
            stock_row: Some(row.to_owned()),
        },
        name: sku.to_owned(),
        barcode: None,
        active: true,
        stock: StockKeeping::Shared,
        quantity: None,
        price: None,
        sale_price: None,
    };
    ProductRead {
        tenant: "acme".parse().unwrap(),
        connection: connection.clone(),
        read_number: number,
        read_at: Timestamp::now(),
        product: Some(ProductReading {
            external_id: id.to_owned(),
            name: id.to_owned(),
            modified: None,
            articles: vec![article],
        }),
        external_id: id.to_owned(),
    }
}

/// Another replica takes `second` while `first` is taken and not committed.
async fn at_the_same_time(database: &TestDatabase, first: &ProductRead, second: &ProductRead) {
    let (here, other) = (opened(database).await, opened(database).await);
    let mut transaction = here.begin().await.unwrap();
    take_in(&mut transaction, std::slice::from_ref(first))
        .await
        .unwrap();
    let second = second.clone();
    let taking = tokio::spawn(async move { take(&other, &[second]).await });
    eventually(
        "the other replica waits",
        Duration::from_secs(20),
        async || {
            let sql = "SELECT COUNT(*) AS waiting FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let waiting = here.fetch_one(sql, args![]).await?.int("waiting")?;
            anyhow::ensure!(waiting == 1, "{waiting} wait");
            Ok(())
        },
    )
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    taking.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_earlier_reading_of_another_replica_replaces_nothing() {
    let database = TestDatabase::postgres().await.unwrap();
    let connection = ConnectionId::generate();
    let rows = opened(&database).await;
    let before = reading(&connection, 4, "13", "BEFORE", "57");
    take(&rows, &[before]).await.unwrap();
    let later = reading(&connection, 6, "13", "LATER", "57");
    let earlier = reading(&connection, 5, "13", "EARLIER", "57");
    at_the_same_time(&database, &later, &earlier).await;
    let found = rows
        .fetch_all(
            "SELECT sku, read_number FROM articles a JOIN products p ON p.product = a.product",
            args![],
        )
        .await
        .unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|row| (row.text("sku").unwrap(), row.int("read_number").unwrap()))
        .collect();
    assert_eq!(found, [("LATER".to_owned(), 6)]);
}

#[tokio::test]
async fn two_replicas_see_that_their_products_share_a_row() {
    let database = TestDatabase::postgres().await.unwrap();
    let connection = ConnectionId::generate();
    let first = reading(&connection, 1, "13", "A/B 5", "57");
    let second = reading(&connection, 2, "14", "MUG-01", "57");
    at_the_same_time(&database, &first, &second).await;
    let rows = opened(&database).await;
    let pending = store::pending(&rows, None, 10).await.unwrap();
    let pending: Vec<_> = pending
        .iter()
        .map(|row| (row.shard, row.revision))
        .collect();
    // The second publishes the shard of the first once more.
    assert_eq!(pending, [(2, 2), (12, 1)]);
}

#[tokio::test]
async fn the_rows_of_a_shard_are_counted_over_the_connection_and_no_others() {
    for database in [
        TestDatabase::sqlite().unwrap(),
        TestDatabase::postgres().await.unwrap(),
    ] {
        let rows = opened(&database).await;
        let connection = ConnectionId::generate();
        let readings = [
            reading(&connection, 1, "13", "A/B 5", "57"),
            reading(&connection, 1, "14", "MUG-01", "57"),
            reading(&connection, 1, "15", "😀", "99"),
        ];
        take(&rows, &readings).await.unwrap();
        let counted = store::sharers(&rows, &connection, 2, true).await.unwrap();
        assert_eq!(counted, HashMap::from([("57".to_owned(), 2)]));
    }
}
