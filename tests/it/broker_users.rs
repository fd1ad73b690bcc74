//! Each role runs with its own user of the broker, and publishers from outside with theirs.

use rust_decimal::Decimal;
use storelink_simulators::OrderSpec;
use storelink_test_support::api::http_client;
use storelink_test_support::erp::Erp;
use storelink_test_support::eventually::eventually;
use storelink_test_support::system::SystemOptions;

use crate::arena::{Arena, LIMIT, TENANT, WAREHOUSE, two_stores};

const PUBLISHER: &str = "stock-publisher";

/// Values, an order, questions over the API and a connection that goes: nothing of it is refused.
#[tokio::test]
async fn no_role_asks_the_broker_for_what_it_may_not() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let sku = arena.skus().await.unwrap().remove(0);
    let order = OrderSpec::of(&[(&sku, 1)]);
    let store = arena.first().plan.name.clone();
    arena
        .stores
        .client()
        .place_order(&store, order)
        .await
        .unwrap();
    arena.orders_are_right().await.unwrap();
    let connection = arena.first().connection.clone();
    arena.api.sku(&connection, &sku).await.unwrap();
    assert_eq!(arena.system.refused_permissions(), Vec::<String>::new());
    arena.system.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_role_without_a_permission_says_so_and_is_not_ready() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let sku = arena.skus().await.unwrap().remove(0);
    let right = arena.system.broker_users().unwrap();
    let wrong = right.replace("\"stock.*.*.*\"", "\"stock.nobody\"");
    assert_ne!(right, wrong);
    arena.system.broker().unwrap().reload(wrong).await.unwrap();
    let level = [(sku.as_str(), Decimal::from(77))];
    arena.erp.say_stock(WAREHOUSE, &level).await.unwrap();

    let ops = arena.system.ops_url(PUBLISHER).unwrap();
    let client = http_client().unwrap();
    let read = async |page: &str| {
        let answer = client.get(format!("{ops}{page}")).send().await?;
        anyhow::Ok((answer.status().as_u16(), answer.text().await?))
    };
    eventually("it is not ready, and says why", LIMIT, async || {
        let (status, text) = read("/readyz").await?;
        anyhow::ensure!(status == 503, "{status}");
        for part in ["bus.forbidden", "stock.default.main.", "stock-publisher (U"] {
            anyhow::ensure!(text.contains(part), "{part} is not in {text}");
        }
        Ok(())
    })
    .await
    .unwrap();
    let (_, metrics) = read("/metrics").await.unwrap();
    let counted = metrics
        .lines()
        .find_map(|line| line.strip_prefix("storelink_broker_permission_violations_total "));
    assert!(counted.is_some_and(|count| count != "0"), "{metrics}");

    arena.system.broker().unwrap().reload(right).await.unwrap();
    arena.values_are_right().await.unwrap();
}

#[tokio::test]
async fn a_publisher_is_added_publishes_for_its_tenant_and_is_removed() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::open(options, &two_stores()).await.unwrap();
    arena.read("products").await.unwrap();
    let sku = arena.skus().await.unwrap().remove(0);
    let folder = arena.system.users_folder().display().to_string();
    let publisher = async |arena: &mut Arena, action: &str| {
        let who = ["--tenant", TENANT, "--name", "erp", "--dir", &folder];
        let command = [&["publishers", action], &who[..]].concat();
        let printed = arena.system.run(&command, None).await.unwrap();
        let users = arena.system.broker_users().unwrap();
        arena.system.broker().unwrap().reload(users).await.unwrap();
        printed.trim().to_owned()
    };
    let seed = publisher(&mut arena, "add").await;
    let url = arena.system.broker_url().to_owned();
    let inbox = format!("_INBOX_{TENANT}_erp");
    let as_publisher = async |tenant: &str| Erp::over_nats_as(&url, tenant, &seed, &inbox).await;
    let kept = std::fs::read_to_string(arena.system.users_folder().join("server/users.conf"));
    assert!(!kept.unwrap().contains(&seed));

    arena.erp = as_publisher(TENANT).await.unwrap().into();
    arena.say_everything().await.unwrap();
    arena.values_are_right().await.unwrap();

    let other = as_publisher("other").await.unwrap();
    let level = [(sku.as_str(), Decimal::ONE)];
    let refused = eventually("it is refused", LIMIT, async || {
        let refused = arena.system.refused_permissions();
        let subject = "erp.other.stock.changed";
        anyhow::ensure!(refused.iter().any(|line| line.contains(subject)));
        Ok(())
    });
    tokio::select! {
        said = other.say_stock(WAREHOUSE, &level) => assert!(said.is_err()),
        refused = refused => refused.unwrap(),
    }

    publisher(&mut arena, "remove").await;
    assert!(as_publisher(TENANT).await.is_err());
}
