//! What a backup takes along of the broker.

use storelink_bus::archive::{
    ARCHIVED, ArchiveError, ArchiveReader, ArchivedMessage, ensure_unused, publish_again,
    remove_archived,
};
use storelink_bus::streams::{self, names};
use storelink_bus::{Bus, Headers, Publication};

use crate::harness::{connected, messages, publish, with_streams};

#[tokio::test]
async fn what_is_nowhere_else_comes_back_in_its_order() {
    let (_broker, bus) = with_streams().await;
    let mut headers = Headers::new();
    headers.insert("traceparent", "00-1-2-03").unwrap();
    // Two with one id: whoever gave it twice did so outside of the window.
    for (number, id) in [("1", "same"), ("2", "other"), ("3", "")] {
        let mut event =
            Publication::new("erp.acme.stock.changed", number.to_owned()).headers(headers.clone());
        if !id.is_empty() {
            event = event.message_id(id);
        }
        bus.publish(event).await.unwrap();
    }
    publish(&bus, "erp.other.stock.changed", "4").await;
    let stream = bus.jetstream().get_stream(names::ERP_STOCK).await.unwrap();
    // It was taken in: the copy goes on behind it.
    stream.delete_message(2).await.unwrap();

    let mut read = read_all(&bus, names::ERP_STOCK).await;
    let sequences: Vec<u64> = read.iter().map(|message| message.sequence).collect();
    assert_eq!(sequences, [1, 3, 4]);
    assert_eq!(
        read[0].headers,
        [("traceparent".to_owned(), "00-1-2-03".to_owned())]
    );
    assert_eq!(
        messages(&bus, names::ERP_STOCK).await,
        3,
        "reading took one away"
    );

    let (_other_broker, other) = with_streams().await;
    for message in read.clone() {
        publish_again(&other, "backup-1", message).await.unwrap();
    }
    // Once more, as after an answer that was lost.
    publish_again(&other, "backup-1", read[2].clone())
        .await
        .unwrap();
    let again = read_all(&other, names::ERP_STOCK).await;
    for (number, message) in read.iter_mut().enumerate() {
        message.sequence = u64::try_from(number).unwrap() + 1;
    }
    assert_eq!(again, read);
}

#[tokio::test]
async fn what_arrives_during_the_copy_is_left_to_the_next_one() {
    let (_broker, bus) = with_streams().await;
    publish(&bus, "dead.ORDERS.order.x.y.1", "1").await;
    let mut reader = ArchiveReader::begin(&bus, names::DEAD).await.unwrap();
    publish(&bus, "dead.ORDERS.order.x.y.2", "2").await;
    let first = reader.next().await.unwrap().unwrap();
    assert_eq!(&first.payload[..], b"1");
    assert_eq!(reader.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_that_was_used_and_emptied_is_not_unused() {
    let (_broker, bus) = connected().await;
    ensure_unused(&bus).await.unwrap();
    streams::apply(&bus, bus.options().sizing).await.unwrap();
    ensure_unused(&bus).await.unwrap();
    publish(&bus, "hub.acme.item.parked", "{}").await;
    let stream = bus.jetstream().get_stream(names::HUB).await.unwrap();
    stream.purge().await.unwrap();
    let refused = ensure_unused(&bus).await.unwrap_err();
    assert!(
        matches!(&refused, ArchiveError::Used { stream, last_sequence: 1 } if stream == "HUB"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_a_failed_restoration_began_can_be_removed_and_made_again() {
    let (_broker, bus) = with_streams().await;
    publish(&bus, "erp.acme.price.changed", "{}").await;
    remove_archived(&bus).await.unwrap();
    remove_archived(&bus).await.unwrap();
    ensure_unused(&bus).await.unwrap();
    streams::ensure(&bus, bus.options().sizing).await.unwrap();
    assert_eq!(messages(&bus, names::ERP_PRICE).await, 0);
}

/// A stream that is added later has to be thought about here.
#[test]
fn every_stream_is_archived_or_made_anew() {
    const FROM_DATABASES: &[&str] = &[
        names::STOCK,
        names::PRICES,
        names::LISTINGS,
        names::HUB,
        "KV_connections",
        "KV_holds",
    ];
    const FROM_STORES: &[&str] = &[names::PRODUCTS, names::CUSTOMERS];
    const OVER: &[&str] = &[names::JOBS, names::HOOKS, names::ADVISORIES, "KV_pace"];
    // Nobody writes them yet: each comes from a service with a database of its own.
    const LATER: &[&str] = &["KV_hook-secrets", "KV_catalogs"];
    let mut known: Vec<&str> = [ARCHIVED, FROM_DATABASES, FROM_STORES, OVER, LATER].concat();
    let mut all: Vec<&str> = streams::streams().iter().map(|spec| spec.name).collect();
    known.sort_unstable();
    all.sort_unstable();
    assert_eq!(known, all);
}

async fn read_all(bus: &Bus, stream: &'static str) -> Vec<ArchivedMessage> {
    let mut reader = ArchiveReader::begin(bus, stream).await.unwrap();
    let mut messages = Vec::new();
    while let Some(message) = reader.next().await.unwrap() {
        messages.push(message);
    }
    messages
}
