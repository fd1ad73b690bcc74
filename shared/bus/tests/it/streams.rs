use async_nats::jetstream::stream::Config;
use storelink_bus::streams::{self, Keep, Sizing, StreamSpec, names};
use storelink_bus::{Publication, PublishError};

use crate::harness::{connected, messages, publish};

#[tokio::test]
async fn the_table_is_applied_and_compares_equal() {
    let (_broker, bus) = connected().await;
    let sizing = Sizing::default();

    let missing = streams::check(&bus, sizing).await.unwrap();
    assert_eq!(
        missing.len(),
        streams::streams().len() + streams::consumers().len()
    );
    assert!(
        missing
            .iter()
            .all(|difference| difference.field == "exists")
    );

    streams::apply(&bus, sizing).await.unwrap();
    assert_eq!(streams::check(&bus, sizing).await.unwrap(), []);
    streams::apply(&bus, sizing).await.unwrap();
    assert_eq!(streams::check(&bus, sizing).await.unwrap(), []);
}

#[tokio::test]
async fn a_setting_changed_by_hand_is_found_and_put_right() {
    let (_broker, bus) = connected().await;
    let sizing = Sizing::default();
    streams::apply(&bus, sizing).await.unwrap();
    let spec = streams::stream(names::HUB).unwrap();
    let by_hand = Config {
        max_bytes: 1_000_000,
        ..spec.config(sizing)
    };
    bus.jetstream().update_stream(by_hand).await.unwrap();

    let differences = streams::check(&bus, sizing).await.unwrap();
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["HUB max_bytes: wanted 536870912, found 1000000"]);
    streams::apply(&bus, sizing).await.unwrap();
    assert_eq!(streams::check(&bus, sizing).await.unwrap(), []);
}

#[tokio::test]
async fn room_that_an_operator_gave_a_stream_is_kept() {
    let (_broker, bus) = connected().await;
    let sizing = Sizing::default();
    streams::apply(&bus, sizing).await.unwrap();
    let spec = streams::stream(names::HUB).unwrap();
    let by_hand = Config {
        max_bytes: spec.max_bytes * 3,
        max_message_size: 1_000,
        ..spec.config(sizing)
    };
    bus.jetstream().update_stream(by_hand).await.unwrap();
    let differences = streams::check(&bus, sizing).await.unwrap();
    let fields: Vec<_> = differences.iter().map(|one| one.field).collect();
    assert_eq!(fields, ["max_message_size"]);
    streams::apply(&bus, sizing).await.unwrap();
    let stream = bus.jetstream().get_stream(names::HUB).await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!(config.max_bytes, spec.max_bytes * 3);
    assert_eq!(config.max_message_size, spec.max_message);
}

/// What a role does at its start: it must not undo what another release or an operator set.
#[tokio::test]
async fn a_role_creates_what_is_missing_and_changes_nothing() {
    let (_broker, bus) = connected().await;
    let sizing = Sizing::default();
    let spec = streams::stream(names::HUB).unwrap();
    let of_another_release = Config {
        max_bytes: 1_000_000,
        ..spec.config(sizing)
    };
    bus.jetstream()
        .create_stream(of_another_release)
        .await
        .unwrap();
    for _ in 0..2 {
        let differences = streams::ensure(&bus, sizing).await.unwrap();
        let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["HUB max_bytes: wanted 536870912, found 1000000"]);
    }
    let (one, two) = tokio::join!(streams::ensure(&bus, sizing), streams::ensure(&bus, sizing));
    assert_eq!((one.unwrap().len(), two.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn processes_that_start_together_on_an_empty_broker_agree() {
    let (_broker, bus) = connected().await;
    let sizing = Sizing::default();
    let starts = (0..6).map(|_| streams::ensure(&bus, sizing));
    for start in futures::future::join_all(starts).await {
        start.unwrap();
    }
    assert_eq!(streams::check(&bus, sizing).await.unwrap(), []);
}

#[tokio::test]
async fn byte_limits_follow_the_sizing() {
    let (_broker, bus) = connected().await;
    streams::apply(&bus, Sizing::default()).await.unwrap();
    let doubled = Sizing {
        bytes_factor: 2,
        ..Sizing::default()
    };
    let differences = streams::check(&bus, doubled).await.unwrap();
    assert_eq!(differences.len(), streams::streams().len());
    assert!(
        differences
            .iter()
            .all(|difference| difference.field == "max_bytes")
    );
    streams::apply(&bus, doubled).await.unwrap();
    assert_eq!(streams::check(&bus, doubled).await.unwrap(), []);
}

#[tokio::test]
async fn a_consumer_of_a_platform_is_created_beside_the_others() {
    let (_broker, bus) = connected().await;
    streams::apply(&bus, Sizing::default()).await.unwrap();
    for platform in ["woocommerce", "prestashop"] {
        streams::apply_consumer(&bus, &streams::poller(platform))
            .await
            .unwrap();
        streams::apply_consumer(&bus, &streams::hooks(platform))
            .await
            .unwrap();
    }
    let stream = bus.jetstream().get_stream(names::JOBS).await.unwrap();
    assert_eq!(stream.cached_info().state.consumer_count, 2);
}

#[tokio::test]
async fn a_new_value_replaces_the_old_one_of_its_subject() {
    let (_broker, bus) = connected().await;
    streams::apply(&bus, Sizing::default()).await.unwrap();
    publish(&bus, "stock.t1.main.MUG-01", "37").await;
    publish(&bus, "stock.t1.main.MUG-02", "5").await;
    let newest = publish(&bus, "stock.t1.main.MUG-01", "36").await;
    assert_eq!(messages(&bus, names::STOCK).await, 2);
    let stream = bus.jetstream().get_stream(names::STOCK).await.unwrap();
    let last = stream
        .direct_get_last_for_subject("stock.t1.main.MUG-01")
        .await
        .unwrap();
    assert_eq!(
        (last.sequence, &last.payload[..]),
        (newest.sequence, &b"36"[..])
    );
}

/// A full last-value stream refuses a new subject and still replaces a value by one of its size:
/// it never forgets what it acknowledged.
#[tokio::test]
async fn a_full_last_value_stream_refuses_instead_of_forgetting() {
    let (_broker, bus) = connected().await;
    let spec = StreamSpec {
        keep: Keep::LastPerSubject,
        max_bytes: 20_000,
        ..*streams::stream(names::STOCK).unwrap()
    };
    bus.jetstream()
        .create_stream(spec.config(Sizing::default()))
        .await
        .unwrap();
    let value = |sku: usize, size: usize| {
        bus.publish(Publication::new(
            format!("stock.t1.main.S{sku}"),
            vec![b'7'; size],
        ))
    };

    let mut stored = 0;
    let refused = loop {
        match value(stored, 900).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, PublishError::Full { .. }), "{refused}");
    assert!(refused.is_transient());
    assert!(stored > 10, "{stored}");
    assert_eq!(messages(&bus, names::STOCK).await, stored as u64);

    value(1, 900).await.unwrap();
    value(0, 100).await.unwrap();
    value(0, 100).await.unwrap();
    assert_eq!(messages(&bus, names::STOCK).await, stored as u64);
    let grown = value(0, 5_000).await.unwrap_err();
    assert!(matches!(grown, PublishError::Full { .. }), "{grown}");
    assert_eq!(messages(&bus, names::STOCK).await, stored as u64);
}
