//! A broker with the stream table, and waiting for a condition.

use std::future::Future;
use std::time::Duration;

use storelink_bus::{Bus, BusOptions, Publication, Published, streams};
use storelink_test_support::broker::{BrokerOptions, TestBroker};

/// No condition of these tests takes so long on a healthy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

pub(crate) async fn connected() -> (TestBroker, Bus) {
    connected_with(BrokerOptions::default()).await
}

pub(crate) async fn connected_with(options: BrokerOptions) -> (TestBroker, Bus) {
    let broker = TestBroker::start_with(options).await.unwrap();
    let bus = Bus::connect(&BusOptions::new(broker.url(), "test"))
        .await
        .unwrap();
    (broker, bus)
}

pub(crate) async fn with_streams() -> (TestBroker, Bus) {
    let (broker, bus) = connected().await;
    streams::apply(&bus, bus.options().sizing).await.unwrap();
    (broker, bus)
}

pub(crate) async fn publish(bus: &Bus, subject: &str, payload: &str) -> Published {
    bus.publish(Publication::new(subject, payload.to_owned()))
        .await
        .unwrap()
}

pub(crate) async fn messages(bus: &Bus, stream: &str) -> u64 {
    let stream = bus.jetstream().get_stream(stream).await.unwrap();
    stream.cached_info().state.messages
}

/// Asks again until the answer is yes.
pub(crate) async fn eventually<F, Fut>(what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let asked = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(LIMIT, asked).await.is_ok(),
        "never came true: {what}"
    );
}

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("took too long: {what}"),
    }
}
