//! The whole service between its streams.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_adapter_api::{Adapters, CapabilityProfile};
use storelink_bus::kv::Bucket;
use storelink_bus::streams::names;
use storelink_bus::{Bus, Publication, TraceContext};
use storelink_events::connection::{ConnectionRecord, ConnectionSettings, RoundingChoice};
use storelink_events::internal::{OrderRead, PollJob};
use storelink_events::rpc::{
    self, OrderSummary, OrdersQuestion, Page, PageQuestion, Parked, Retried, RetryParked,
};
use storelink_events::subject;
use storelink_model::ConnectionId;
use storelink_order_ingest::IngestError;
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_service::{ServiceContext, ServiceParts};
use storelink_settings::Loader;
use storelink_telemetry::Readiness;
use storelink_test_support::broker::TestBroker;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use storelink_test_support::on_each_database;
use storelink_test_support::platform::Silent;
use storelink_vault::{CreateMissing, Vault};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    LIMIT, all, broker, hub, kinds, noted, order, platform, reading, tenant, totalling, unreadable,
};

on_each_database!(
    a_new_order_becomes_one_event_of_its_trace,
    an_earlier_content_that_comes_late_has_the_store_asked_once,
    a_fresh_read_that_is_refused_while_its_job_is_in_work_is_asked_for_again,
    parked_orders_are_listed_and_retried,
    a_setting_that_changes_releases_what_rounding_held,
    rounding_is_held_until_the_connections_record_is_known,
    orders_are_listed_page_by_page_and_found_by_number,
);

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The service as a process runs it.
pub(crate) struct Service {
    pub(crate) bus: Bus,
    pub(crate) connection: ConnectionId,
    pub(crate) broker: TestBroker,
    readiness: Readiness,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), IngestError>>,
    _place: TestDatabase,
    _keys: tempfile::TempDir,
}

impl Service {
    pub(crate) async fn start(place: TestDatabase) -> Self {
        let (broker, bus) = broker().await;
        let keys = tempfile::tempdir().unwrap();
        let mut settings = Loader::new().load().unwrap();
        settings.database = place.settings();
        let (readiness, shutdown) = (Readiness::new(), CancellationToken::new());
        let context = ServiceContext::new(ServiceParts {
            settings: Arc::new(settings),
            bus: bus.clone(),
            vault: Arc::new(Vault::open(&keys.path().join("keys"), CreateMissing::Yes).unwrap()),
            http: HttpClient::new(OutboundPolicy::loopback()).unwrap(),
            adapters: Adapters::default().with(Silent::named("woocommerce").unwrap()),
            readiness: readiness.clone(),
            shutdown: shutdown.clone(),
        });
        let service = Self {
            bus,
            connection: ConnectionId::generate(),
            broker,
            readiness: readiness.clone(),
            shutdown,
            running: tokio::spawn(storelink_order_ingest::run(context)),
            _place: place,
            _keys: keys,
        };
        eventually("the service is ready", LIMIT, async || {
            // Ready without a check would be ready too early.
            let asked: Result<Page<OrderSummary>, _> = service
                .bus
                .request(
                    &subject::rpc("order-ingest", rpc::ORDERS),
                    &orders(None, 1),
                    LIMIT,
                )
                .await;
            asked?;
            anyhow::ensure!(
                service.readiness.is_ready(),
                "{:?}",
                service.readiness.reasons()
            );
            Ok(())
        })
        .await
        .unwrap();
        service
    }

    pub(crate) async fn publish(&self, read: &OrderRead) {
        let subject = subject::order(&read.platform, &read.connection, &read.external_id);
        let body = serde_json::to_vec(read).unwrap();
        let trace = TraceContext::new(TRACE, None).unwrap();
        self.bus
            .publish(Publication::new(subject, body).trace(&trace))
            .await
            .unwrap();
    }

    pub(crate) async fn drained(&self) {
        eventually("the orders are taken", LIMIT, async || {
            let left = all(&self.bus, names::ORDERS).await.len();
            anyhow::ensure!(left == 0, "{left} orders wait");
            Ok(())
        })
        .await
        .unwrap();
    }

    pub(crate) async fn events(&self, expected: &[&str]) {
        eventually("the events", LIMIT, async || {
            let told = kinds(&hub(&self.bus).await);
            anyhow::ensure!(told == expected, "{told:?}");
            Ok(())
        })
        .await
        .unwrap();
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(&self, verb: &str, question: &Q) -> A {
        let subject = subject::rpc("order-ingest", verb);
        self.bus
            .request(&subject, question, Duration::from_secs(10))
            .await
            .unwrap()
    }

    async fn parked(&self) -> Vec<Parked> {
        let page: Page<Parked> = self.ask(rpc::PARKED, &page(None, 10)).await;
        page.items
    }

    pub(crate) async fn end(self) -> TestBroker {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(30), self.running).await;
        ended.expect("the service ends in time").unwrap().unwrap();
        assert!(!self.readiness.is_ready());
        self.broker
    }
}

fn page(after: Option<String>, limit: u32) -> PageQuestion {
    PageQuestion {
        tenant: tenant(),
        connection: None,
        after,
        limit,
    }
}

fn orders(after: Option<String>, limit: u32) -> OrdersQuestion {
    OrdersQuestion {
        page: page(after, limit),
        number: None,
    }
}

async fn a_new_order_becomes_one_event_of_its_trace(place: TestDatabase) {
    let service = Service::start(place).await;
    let read = reading(&service.connection, "90", 1, order());
    service.publish(&read).await;
    // Delivered a second time.
    service.publish(&read).await;
    service.drained().await;
    service.events(&["order.received"]).await;

    let told = &hub(&service.bus).await[0];
    let id = told.data("/order_id").as_str().unwrap();
    assert_eq!(told.subject, format!("hub.acme.order.received.{id}.1"));
    assert_eq!(told.body["type"], "storelink.order.received.v1");
    assert_eq!(told.body["tenant"], "acme");
    assert_eq!(told.body["subject"], id);
    assert_eq!(
        told.body["source"],
        format!("/connections/{}", service.connection)
    );
    assert_eq!(told.data("/connection"), service.connection.as_str());
    assert_eq!(told.data("/platform"), "woocommerce");
    assert_eq!(told.data("/external_id"), "90");
    assert_eq!(told.data("/order/number"), "#90");
    assert_eq!(told.data("/order/total"), "12.20");
    assert_eq!(told.data("/order/lines/0/sku"), "MUG-01");
    assert_eq!(told.data("/sum/verdict"), "exact");
    assert_eq!(told.headers.get(subject::TENANT), Some("acme"));
    let trace = |text: &str| text.split('-').nth(1).unwrap().to_owned();
    assert_eq!(
        trace(told.headers.get("traceparent").unwrap()),
        trace(TRACE)
    );
    assert_eq!(
        trace(told.body["traceparent"].as_str().unwrap()),
        trace(TRACE)
    );

    eventually("it is shown as published", LIMIT, async || {
        let page: Page<OrderSummary> = service.ask(rpc::ORDERS, &orders(None, 10)).await;
        let [order] = &page.items[..] else {
            anyhow::bail!("{page:?}")
        };
        anyhow::ensure!((order.revision, order.published) == (1, 1), "{order:?}");
        assert_eq!(order.id.as_str(), id);
        assert_eq!(order.total.as_deref(), Some("12.20 EUR"));
        assert_eq!(order.state.as_deref(), Some("open"));
        assert_eq!(order.parked, None);
        Ok(())
    })
    .await
    .unwrap();
    service.end().await;
}

async fn an_earlier_content_that_comes_late_has_the_store_asked_once(place: TestDatabase) {
    let service = Service::start(place).await;
    service
        .publish(&reading(&service.connection, "90/1", 5, noted("B")))
        .await;
    service.drained().await;
    service
        .publish(&reading(&service.connection, "90/1", 3, noted("A")))
        .await;
    service.drained().await;
    let jobs = all(&service.bus, names::JOBS).await;
    assert_eq!(jobs.len(), 1);
    let wanted = subject::poll_one(&platform(), &service.connection, "orders", "90/1");
    assert_eq!(jobs[0].subject, wanted);
    let job: PollJob = serde_json::from_value(jobs[0].body.clone()).unwrap();
    assert_eq!(
        (job.entity.as_str(), job.external_id.as_deref()),
        ("orders", Some("90/1"))
    );
    assert_eq!(job.tenant, tenant());
    service.events(&["order.received"]).await;
    assert_eq!(hub(&service.bus).await[0].data("/order/note"), "B");
    service.end().await;
}

async fn a_fresh_read_that_is_refused_while_its_job_is_in_work_is_asked_for_again(
    place: TestDatabase,
) {
    let service = Service::start(place).await;
    let late = |number, note| reading(&service.connection, "90", number, noted(note));
    service.publish(&late(5, "B")).await;
    service.drained().await;
    service.publish(&late(3, "A")).await;
    service.drained().await;
    // The job that was asked for is in work: its request may have left before this state.
    service.publish(&late(4, "C")).await;
    let stream = async |name| service.bus.jetstream().get_stream(name).await.unwrap();
    eventually("it comes a second time", LIMIT, async || {
        let stream = stream(names::ORDERS).await;
        let info = stream.consumer_info("order-ingest").await?;
        let deliveries = info.delivered.consumer_sequence;
        anyhow::ensure!(deliveries >= 4, "{deliveries} deliveries of three messages");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(all(&service.bus, names::JOBS).await.len(), 1);

    stream(names::JOBS).await.purge().await.unwrap();
    service.drained().await;
    let jobs = all(&service.bus, names::JOBS).await;
    let wanted = subject::poll_one(&platform(), &service.connection, "orders", "90");
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].subject, wanted);
    service.end().await;
}

async fn parked_orders_are_listed_and_retried(place: TestDatabase) {
    let service = Service::start(place).await;
    service
        .publish(&unreadable(&service.connection, "90", 1))
        .await;
    service
        .publish(&reading(&service.connection, "91", 2, totalling("15.20")))
        .await;
    service.drained().await;
    let parked = service.parked().await;
    let codes: Vec<_> = parked.iter().map(|entry| entry.code.as_str()).collect();
    assert_eq!(codes, ["woocommerce.total", "order.sum_differs"]);
    assert_eq!(parked[1].external_id.as_deref(), Some("91"));
    assert_eq!(parked[1].entity, "order");

    let retry = |id: &str| RetryParked {
        tenant: tenant(),
        id: id.to_owned(),
    };
    for entry in &parked {
        let answer: Retried = service.ask(rpc::RETRY_PARKED, &retry(&entry.id)).await;
        assert!(answer.found);
    }
    let mut jobs: Vec<_> = all(&service.bus, names::JOBS)
        .await
        .into_iter()
        .map(|job| job.subject)
        .collect();
    jobs.sort();
    let job = |id| subject::poll_one(&platform(), &service.connection, "orders", id);
    assert_eq!(jobs, [job("90"), job("91")]);

    let unknown = storelink_model::OrderId::generate();
    for id in [unknown.as_str(), "nonsense"] {
        let answer: Retried = service.ask(rpc::RETRY_PARKED, &retry(id)).await;
        assert!(!answer.found, "{id}");
    }
    let foreign = RetryParked {
        tenant: "other".parse().unwrap(),
        id: parked[0].id.clone(),
    };
    let answer: Retried = service.ask(rpc::RETRY_PARKED, &foreign).await;
    assert!(!answer.found);

    service
        .publish(&reading(&service.connection, "90", 3, order()))
        .await;
    service.drained().await;
    let left = service.parked().await;
    assert_eq!(left.len(), 1, "{left:?}");
    service.end().await;
}

async fn a_setting_that_changes_releases_what_rounding_held(place: TestDatabase) {
    let service = Service::start(place).await;
    let mut record = record(&service.connection, RoundingChoice::Hold);
    put(&service.bus, &record).await;
    // The record and the orders travel by different ways.
    eventually("the order is held", LIMIT, async || {
        let number = storelink_model::Timestamp::now().micros();
        let id = number.to_string();
        service
            .publish(&reading(
                &service.connection,
                &id,
                number,
                totalling("12.21"),
            ))
            .await;
        service.drained().await;
        let held = service.parked().await;
        anyhow::ensure!(!held.is_empty(), "the record is not known yet");
        Ok(())
    })
    .await
    .unwrap();
    record.revision = 2;
    record.settings.rounding = RoundingChoice::Deliver;
    put(&service.bus, &record).await;
    eventually("nothing is held", LIMIT, async || {
        anyhow::ensure!(service.parked().await.is_empty(), "still held");
        let told = kinds(&hub(&service.bus).await);
        anyhow::ensure!(
            told.last().is_some_and(|last| last == "order.received"),
            "{told:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
    service.end().await;
}

async fn rounding_is_held_until_the_connections_record_is_known(place: TestDatabase) {
    let service = Service::start(place).await;
    let cent = reading(&service.connection, "90", 1, totalling("12.21"));
    service.publish(&cent).await;
    service.drained().await;
    service.events(&["item.parked"]).await;
    assert_eq!(service.parked().await[0].code, "order.rounding_held");

    let record = record(&service.connection, RoundingChoice::Deliver);
    put(&service.bus, &record).await;
    service.events(&["item.parked", "order.received"]).await;
    assert_eq!(service.parked().await.len(), 0);
    service.end().await;
}

async fn orders_are_listed_page_by_page_and_found_by_number(place: TestDatabase) {
    let service = Service::start(place).await;
    for id in ["90", "91", "92"] {
        service
            .publish(&reading(&service.connection, id, 1, order()))
            .await;
        service.drained().await;
    }
    let first: Page<OrderSummary> = service.ask(rpc::ORDERS, &orders(None, 2)).await;
    let ids = |page: &Page<OrderSummary>| -> Vec<String> {
        page.items
            .iter()
            .map(|order| order.external_id.clone())
            .collect()
    };
    assert_eq!(ids(&first), ["92", "91"]);
    let second: Page<OrderSummary> = service.ask(rpc::ORDERS, &orders(first.next, 2)).await;
    assert_eq!((ids(&second), second.next), (vec!["90".to_owned()], None));

    for text in ["#91", "91"] {
        let question = OrdersQuestion {
            page: page(None, 5),
            number: Some(text.to_owned()),
        };
        let found: Page<OrderSummary> = service.ask(rpc::ORDERS, &question).await;
        assert_eq!(ids(&found), ["91"], "{text}");
    }
    let foreign = PageQuestion {
        tenant: "other".parse().unwrap(),
        ..page(None, 5)
    };
    let question = OrdersQuestion {
        page: foreign,
        number: None,
    };
    let found: Page<OrderSummary> = service.ask(rpc::ORDERS, &question).await;
    assert_eq!(ids(&found), [""; 0]);
    service.end().await;
}

fn record(id: &ConnectionId, rounding: RoundingChoice) -> ConnectionRecord {
    ConnectionRecord {
        id: id.clone(),
        tenant: tenant(),
        platform: platform(),
        name: "Store".to_owned(),
        revision: 1,
        paused: false,
        address: "https://store.example".to_owned(),
        sealed_credentials: String::new(),
        credentials_revision: 1,
        profile: CapabilityProfile::default(),
        settings: ConnectionSettings {
            rounding,
            ..ConnectionSettings::default()
        },
        active_entities: vec!["orders".to_owned()],
    }
}

async fn put(bus: &Bus, record: &ConnectionRecord) {
    let bucket = Bucket::new(bus, names::CONNECTIONS);
    let value = serde_json::to_vec(record).unwrap();
    bucket
        .put(&subject::connection_key(&record.id), value)
        .await
        .unwrap();
}
