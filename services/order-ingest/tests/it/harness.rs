//! A broker, a database, readings to put in, and events to look at.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use storelink_adapter_api::Unreadable;
use storelink_bus::{Bus, BusOptions, Headers, streams};
use storelink_events::connection::RoundingChoice;
use storelink_events::internal::OrderRead;
use storelink_model::{ConnectionId, Platform, Quantity, TenantId, Timestamp};
use storelink_order::{Address, Charge, Customer, Line, Order, OrderState, Payment};
use storelink_order_ingest::{Arrival, Ledger, MIGRATOR, Relay};
use storelink_persistence::Database;
use storelink_test_support::broker::TestBroker;
use storelink_test_support::database::TestDatabase;

/// No condition of these tests takes so long on a healthy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

pub(crate) fn platform() -> Platform {
    "woocommerce".parse().unwrap()
}

/// A broker with the stream table, and a connection to it.
pub(crate) async fn broker() -> (TestBroker, Bus) {
    let broker = TestBroker::start().await.unwrap();
    let bus = Bus::connect(&BusOptions::new(broker.url(), "test"))
        .await
        .unwrap();
    streams::apply(&bus, bus.options().sizing).await.unwrap();
    (broker, bus)
}

/// The ledger and the relay without the rest of the service.
pub(crate) struct World {
    pub(crate) broker: TestBroker,
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) ledger: Ledger,
    pub(crate) relay: Relay,
    pub(crate) connection: ConnectionId,
    pub(crate) rounding: Arc<Mutex<RoundingChoice>>,
    _place: TestDatabase,
}

impl World {
    pub(crate) async fn new(place: TestDatabase) -> Self {
        let (broker, bus) = broker().await;
        let database = Database::open(&place.settings(), "order-ingest")
            .await
            .unwrap();
        database.migrate(&MIGRATOR).await.unwrap();
        let rounding = Arc::new(Mutex::new(RoundingChoice::Deliver));
        let chosen = rounding.clone();
        let ledger = Ledger::new(database.clone(), move |_| *chosen.lock().unwrap());
        Self {
            relay: Relay::new(database.clone(), bus.clone()),
            broker,
            bus,
            database,
            ledger,
            connection: ConnectionId::generate(),
            rounding,
            _place: place,
        }
    }

    /// Puts readings into the ledger, one by one.
    pub(crate) async fn take(&self, readings: impl IntoIterator<Item = OrderRead>) {
        for reading in readings {
            self.ledger
                .take(&[Arrival::new(reading, None)])
                .await
                .unwrap();
        }
    }

    pub(crate) fn reading(&self, external_id: &str, number: i64, order: Order) -> OrderRead {
        reading(&self.connection, external_id, number, order)
    }
}

/// A reading of an order as a poller publishes it.
pub(crate) fn reading(
    connection: &ConnectionId,
    external_id: &str,
    read_number: i64,
    mut order: Order,
) -> OrderRead {
    order.external_id = external_id.to_owned();
    order.number = format!("#{external_id}");
    let raw = serde_json::json!({ "id": external_id, "total": order.total }).to_string();
    OrderRead {
        tenant: tenant(),
        connection: connection.clone(),
        platform: platform(),
        external_id: external_id.to_owned(),
        read_number,
        read_at: Timestamp::now(),
        raw: RawValue::from_string(raw).unwrap(),
        order: Some(Box::new(order)),
        unreadable: None,
    }
}

/// A reading that the adapter could not understand.
pub(crate) fn unreadable(connection: &ConnectionId, id: &str, number: i64) -> OrderRead {
    OrderRead {
        order: None,
        unreadable: Some(Unreadable {
            code: "woocommerce.total".to_owned(),
            text: "/total: expected an amount".to_owned(),
        }),
        raw: RawValue::from_string(r#"{"total":"a lot"}"#.to_owned()).unwrap(),
        ..reading(connection, id, number, order())
    }
}

/// Two mugs for 10.00 and 2.20 tax: 12.20 in all.
pub(crate) fn order() -> Order {
    Order {
        external_id: String::new(),
        number: String::new(),
        state: OrderState::Open,
        store_status: "processing".to_owned(),
        currency: "EUR".parse().unwrap(),
        digits: 2,
        created: Timestamp::from_micros(0),
        modified: Timestamp::from_micros(0),
        customer: Customer {
            email: Some("ana@example.com".to_owned()),
            ..Customer::default()
        },
        billing: Address::default(),
        shipping: None,
        lines: vec![Line {
            external_id: "1".to_owned(),
            sku: Some("MUG-01".parse().unwrap()),
            product: Some("7".to_owned()),
            variation: None,
            name: "Mug".to_owned(),
            quantity: "2".parse::<Quantity>().unwrap(),
            net_before_discount: "10.00".parse().unwrap(),
            net: "10.00".parse().unwrap(),
            tax: "2.20".parse().unwrap(),
            tax_rate: None,
            options: Vec::new(),
        }],
        shipping_charges: Vec::new(),
        fees: Vec::new(),
        discounts: Vec::new(),
        gift_cards: Vec::new(),
        total: "12.20".parse().unwrap(),
        total_tax: "2.20".parse().unwrap(),
        payment: Payment::default(),
        refunds: Vec::new(),
        note: String::new(),
    }
}

/// The same order with other words of the customer.
pub(crate) fn noted(note: &str) -> Order {
    Order {
        note: note.to_owned(),
        ..order()
    }
}

/// The same order with another total than its parts make.
pub(crate) fn totalling(total: &str) -> Order {
    Order {
        total: total.parse().unwrap(),
        ..order()
    }
}

pub(crate) fn fee(name: &str, net: &str) -> Charge {
    Charge {
        code: "fee".to_owned(),
        name: name.to_owned(),
        net: net.parse().unwrap(),
        tax: "0".parse().unwrap(),
        tax_rate: None,
    }
}

/// A message on a stream.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) subject: String,
    pub(crate) headers: Headers,
    pub(crate) body: Value,
}

impl Told {
    /// The third token and the one after it: `order.received`, `item.parked`.
    pub(crate) fn what(&self) -> String {
        let tokens: Vec<&str> = self.subject.split('.').skip(2).take(2).collect();
        tokens.join(".")
    }

    pub(crate) fn data(&self, pointer: &str) -> &Value {
        self.body
            .pointer(&format!("/data{pointer}"))
            .unwrap_or(&Value::Null)
    }
}

/// Everything on a stream, in its order; nothing while there is no stream.
pub(crate) async fn all(bus: &Bus, stream: &str) -> Vec<Told> {
    let Ok(stream) = bus.jetstream().get_stream(stream).await else {
        return Vec::new();
    };
    let state = &stream.cached_info().state;
    let mut told = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        if let Ok(message) = stream.get_raw_message(sequence).await {
            told.push(Told {
                subject: message.subject.to_string(),
                headers: Headers::from(message.headers),
                body: serde_json::from_slice(&message.payload).unwrap(),
            });
        }
    }
    told
}

/// The events, and what each is about.
pub(crate) async fn hub(bus: &Bus) -> Vec<Told> {
    all(bus, streams::names::HUB).await
}

pub(crate) fn kinds(told: &[Told]) -> Vec<String> {
    told.iter().map(Told::what).collect()
}
