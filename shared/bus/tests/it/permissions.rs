use std::time::{Duration, Instant};

use storelink_bus::kv::{Bucket, KvError};
use storelink_bus::rpc::{Endpoint, RpcError};
use storelink_bus::streams::{self, Sizing};
use storelink_bus::{
    Bus, BusOptions, Credentials, Outcome, Publication, PublishError, ViolationKind, WorkLoop,
};
use storelink_test_support::broker::{BrokerOptions, TestBroker};
use tokio_util::sync::CancellationToken;

use crate::harness::in_time;

/// An administrator, and the user of order-ingest with what its role needs and no more.
const USERS: &str = r#"
authorization {
  users = [
    { user: admin, password: a }
    { user: ingest, password: i, permissions: {
        publish: [
          "order.>", "dead.>", "$JS.API.INFO",
          "$JS.API.CONSUMER.MSG.NEXT.ORDERS.order-ingest", "$JS.ACK.ORDERS.order-ingest.>",
        ]
        subscribe: ["_INBOX_ingest.>"]
    } }
  ]
}
"#;

fn options(broker: &TestBroker, user: &str, password: &str) -> BusOptions {
    let mut options = BusOptions::new(broker.url(), user);
    options.credentials = Credentials::UserPassword {
        user: user.to_owned(),
        password: password.to_owned().into(),
    };
    options
}

async fn limited() -> (TestBroker, Bus) {
    let broker = TestBroker::start_with(BrokerOptions {
        extra_config: USERS.to_owned(),
        ..BrokerOptions::default()
    })
    .await
    .unwrap();
    let admin = Bus::connect(&options(&broker, "admin", "a")).await.unwrap();
    streams::apply(&admin, Sizing::default()).await.unwrap();
    let mut limited = options(&broker, "ingest", "i");
    limited.inbox_prefix = Some("_INBOX_ingest".to_owned());
    limited.manage_streams = false;
    let bus = Bus::connect(&limited).await.unwrap();
    (broker, bus)
}

#[tokio::test]
async fn a_denied_publish_is_named_at_once_and_counted() {
    let (_broker, bus) = limited().await;
    let started = Instant::now();
    let error = bus
        .publish(Publication::new("stock.t1.main.A", "1"))
        .await
        .unwrap_err();
    let PublishError::Forbidden(forbidden) = &error else {
        panic!("{error}")
    };
    assert_eq!(forbidden.subject, "stock.t1.main.A");
    assert_eq!(forbidden.user, "ingest (of ingest)");
    assert!(!error.is_transient());
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(bus.permission_violations(), 1);
    assert_eq!(bus.asynchronous_errors(), 1);
    // What is allowed goes on, and a second violation is told from the first.
    assert!(
        bus.publish(Publication::new("order.woocommerce.c1.1", "{}"))
            .await
            .is_ok()
    );
    let again = bus
        .publish(Publication::new("stock.t1.main.A", "1"))
        .await
        .unwrap_err();
    assert_eq!(again.code(), "bus.forbidden");
    assert_eq!(bus.permission_violations(), 2);
}

#[tokio::test]
async fn a_denied_question_is_named() {
    let (_broker, bus) = limited().await;
    let answer: Result<u32, RpcError> = bus
        .request("rpc.registry.ping", &(), Duration::from_secs(10))
        .await;
    assert!(matches!(answer, Err(RpcError::Forbidden(_))), "{answer:?}");
}

#[tokio::test]
async fn questions_that_may_not_be_heard_end_their_endpoint() {
    let (_broker, bus) = limited().await;
    let endpoint = Endpoint::<u32>::new(&bus, "rpc.order-ingest.orders", "order-ingest");
    let serving = endpoint.serve(|_| async { Ok(()) }, CancellationToken::new());
    let error = in_time("the end", serving).await.unwrap_err();
    let RpcError::Forbidden(forbidden) = &error else {
        panic!("{error}")
    };
    assert_eq!(forbidden.kind, ViolationKind::Subscription);
    assert_eq!(forbidden.subject, "rpc.order-ingest.orders");
}

#[tokio::test]
async fn a_bucket_that_may_not_be_read_is_named_and_no_slow_broker() {
    let (_broker, bus) = limited().await;
    let started = Instant::now();
    let answer = Bucket::new(&bus, streams::names::CONNECTIONS)
        .get("a")
        .await;
    let Err(KvError::Forbidden(forbidden)) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(
        forbidden.subject,
        "$JS.API.DIRECT.GET.KV_connections.$KV.connections.a"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn streams_that_may_not_be_made_are_named() {
    let (_broker, bus) = limited().await;
    let error = streams::apply(&bus, Sizing::default()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("may not publish on $JS.API.STREAM.INFO."),
        "{text}"
    );
}

#[tokio::test]
async fn a_denied_inbox_is_named_at_connect() {
    let (broker, _bus) = limited().await;
    let mut options = options(&broker, "ingest", "i");
    options.request_timeout = Duration::from_millis(500);
    let error = Bus::connect(&options).await.unwrap_err();
    assert_eq!(error.code(), "bus.inbox_denied", "{error}");
    assert!(error.to_string().contains("_INBOX."), "{error}");
}

#[tokio::test]
async fn the_least_permissions_are_enough_for_a_worker_that_parks() {
    let (_broker, bus) = limited().await;
    for order in ["good", "bad"] {
        let subject = format!("order.woocommerce.c1.{order}");
        bus.publish(Publication::new(subject, order)).await.unwrap();
    }
    let (sender, mut seen) = tokio::sync::mpsc::channel(4);
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST).batch(2);
    let worker = tokio::spawn(work.run(
        move |item| {
            let sender = sender.clone();
            async move {
                sender.send(item.subject().to_owned()).await.unwrap();
                match item.payload().as_ref() {
                    b"bad" => Outcome::park("order.unreadable", "no total"),
                    _ => Outcome::Done,
                }
            }
        },
        cancel.clone(),
    ));
    for _ in 0..2 {
        in_time("an order", seen.recv()).await.unwrap();
    }
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
    assert_eq!(bus.permission_violations(), 0);
}
