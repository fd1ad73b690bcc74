//! The program and its control API, driven by the client.

use std::process::Stdio;

use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{
    Action, ClientError, ClockSetting, Fault, FaultEffect, FaultMatch, FaultPage, LedgerFilter,
    OrderSpec, RefundSpec, SimulatorClient,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

async fn program() -> (Child, SimulatorClient) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_storelink-simulators"))
        .args(["--control", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines
        .next_line()
        .await
        .unwrap()
        .expect("prints its address");
    let address = line.strip_prefix("http://").unwrap().parse().unwrap();
    (child, SimulatorClient::new(address))
}

#[tokio::test]
async fn another_process_can_make_and_drive_stores() {
    let (mut child, client) = program().await;
    assert!(client.is_ready().await);
    let spec = StoreSpec::seeded("shop 1", 7, 50, 10);
    let info = client.add_store(&spec).await.unwrap();
    assert_eq!(info.url, format!("http://{}", info.address));
    assert!(matches!(
        client.add_store(&spec).await,
        Err(ClientError::Refused { status: 409, .. })
    ));

    let order = client
        .place_order("shop 1", OrderSpec::of(&[("SKU-00003", 2)]))
        .await
        .unwrap();
    client
        .refund("shop 1", order, RefundSpec::default())
        .await
        .unwrap();
    client.set_stock("shop 1", "VAR-0001-2", 77).await.unwrap();
    let articles = client.articles("shop 1").await.unwrap();
    assert_eq!(
        articles
            .iter()
            .find(|a| a.sku == "VAR-0001-2")
            .unwrap()
            .stock_quantity,
        Some(77)
    );
    let orders = client.orders("shop 1").await.unwrap();
    assert_eq!(
        (orders[0].id, orders[0].status.as_str()),
        (order, "refunded")
    );
    assert_eq!(client.order("shop 1", order).await.unwrap()["id"], order);
    let missing = client
        .act("shop 1", &Action::TrashOrder { id: 9_999 })
        .await;
    assert!(
        matches!(missing, Err(ClientError::Refused { status: 404, .. })),
        "{missing:?}"
    );

    let effect = FaultEffect::Answer(FaultPage::TooManyRequests(Some(3)));
    let number = client
        .set_fault(
            "shop 1",
            &Fault {
                on: FaultMatch::default(),
                effect,
            },
        )
        .await
        .unwrap();
    client.clear_faults("shop 1", Some(number)).await.unwrap();
    client
        .set_clock("shop 1", ClockSetting::Offset(-90))
        .await
        .unwrap();

    let filter = LedgerFilter {
        store: Some("shop 1".to_owned()),
        limit: 2,
        ..LedgerFilter::default()
    };
    let page = client.ledger(&filter).await.unwrap();
    assert_eq!((page.entries.len(), page.next_after), (2, 2));
    assert_eq!(page.entries[0].method, "place_order");
    let rest = client
        .ledger(&LedgerFilter {
            after: page.next_after,
            ..filter
        })
        .await
        .unwrap();
    assert_eq!(rest.next_after, rest.last_seq, "the end is reached");

    client
        .set_price("shop 1", "VAR-0001-2", "12,50", "")
        .await
        .unwrap();
    let articles = client.articles("shop 1").await.unwrap();
    assert_eq!(
        articles
            .iter()
            .find(|a| a.sku == "VAR-0001-2")
            .unwrap()
            .price,
        "12.50"
    );

    client.remove_store("shop 1").await.unwrap();
    assert!(client.stores().await.unwrap().is_empty());
    client.stop().await.unwrap();
    assert!(
        child.wait().await.unwrap().success(),
        "ends by itself after stop"
    );
}
