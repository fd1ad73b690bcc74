//! The table of streams and buckets.

use std::time::Duration;

use super::spec::{Keep, StreamSpec};

/// Names of streams and buckets.
pub mod names {
    /// Stock changes from publishers, waiting for intake.
    pub const ERP_STOCK: &str = "ERP_STOCK";
    /// Price changes from publishers, waiting for intake.
    pub const ERP_PRICE: &str = "ERP_PRICE";
    /// Product master data from publishers, waiting for the catalogue.
    pub const ERP_PRODUCT: &str = "ERP_PRODUCT";
    /// Last level of each SKU and warehouse.
    pub const STOCK: &str = "STOCK";
    /// Last price entry of each SKU and price list.
    pub const PRICES: &str = "PRICES";
    /// Last listings of each connection and shard.
    pub const LISTINGS: &str = "LISTINGS";
    /// Last product read from each connection.
    pub const PRODUCTS: &str = "PRODUCTS";
    /// Last customer read from each connection.
    pub const CUSTOMERS: &str = "CUSTOMERS";
    /// Orders as read, waiting for ingest.
    pub const ORDERS: &str = "ORDERS";
    /// Poll jobs.
    pub const JOBS: &str = "JOBS";
    /// Webhook hints.
    pub const HOOKS: &str = "HOOKS";
    /// Order revisions for the ERP.
    pub const ERP_OUT: &str = "ERP_OUT";
    /// Public events.
    pub const HUB: &str = "HUB";
    /// Messages that need a person.
    pub const DEAD: &str = "DEAD";
    /// The server's notes about messages that a consumer gave up.
    pub const ADVISORIES: &str = "ADVISORIES";

    /// Bucket: settings and sealed credentials of connections.
    pub const CONNECTIONS: &str = "connections";
    /// Bucket: webhook secrets, under their own key.
    pub const HOOK_SECRETS: &str = "hook-secrets";
    /// Bucket: token windows of connections with a configured limit.
    pub const PACE: &str = "pace";
    /// Bucket: quantities that are kept back from what is published.
    pub const HOLDS: &str = "holds";
    /// Bucket: the ERP's warehouses, price lists, document kinds and payment types.
    pub const CATALOGS: &str = "catalogs";
}

const MIB: i64 = 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a message may have at most where nothing larger is expected: the server's own default.
const USUAL_MESSAGE: i32 = 1024 * 1024;
/// An order with its raw payload. The rest up to 8 MiB is room for the headers of a dead letter.
const ORDER_MESSAGE: i32 = 8 * 1024 * 1024 - 64 * 1024;
/// The `max_payload` that servers of Storelink run with.
const LARGEST_MESSAGE: i32 = 8 * 1024 * 1024;

/// Longer than any retry of a publish, and than a short outage of the broker.
const USUAL_WINDOW: Duration = Duration::from_secs(10 * 60);

const STREAMS: &[StreamSpec] = &[
    queue(
        names::ERP_STOCK,
        "stock changes waiting for intake",
        &["erp.*.stock.changed"],
        128,
    ),
    queue(
        names::ERP_PRICE,
        "price changes waiting for intake",
        &["erp.*.price.changed"],
        128,
    ),
    queue(
        names::ERP_PRODUCT,
        "product master data waiting for the catalogue",
        &["erp.*.product.changed"],
        128,
    ),
    last_value(
        names::STOCK,
        "last level per tenant, warehouse and SKU",
        &["stock.*.*.*"],
        256,
    ),
    last_value(
        names::PRICES,
        "last price entry per tenant, price list and SKU",
        &["price.*.*.*"],
        256,
    ),
    last_value(
        names::LISTINGS,
        "last listings per connection and shard",
        &["listing.*.*"],
        256,
    ),
    last_value(
        names::PRODUCTS,
        "last product per connection and key",
        &["product.*.*"],
        256,
    ),
    last_value(
        names::CUSTOMERS,
        "last customer per connection and key",
        &["customer.*.*"],
        64,
    ),
    StreamSpec {
        max_message: ORDER_MESSAGE,
        ..queue(
            names::ORDERS,
            "orders as read, waiting for ingest",
            &["order.*.*.*"],
            256,
        )
    },
    StreamSpec {
        keep: Keep::UntilDoneOnePerSubject,
        ..queue(
            names::JOBS,
            "poll jobs; at most one outstanding per subject",
            &["poll.*.*.*", "poll.*.*.*.*"],
            32,
        )
    },
    queue(
        names::HOOKS,
        "webhook hints; the poller turns them into jobs",
        &["hook.*.*"],
        32,
    ),
    StreamSpec {
        max_message: ORDER_MESSAGE,
        ..queue(
            names::ERP_OUT,
            "order revisions for the ERP",
            &["erpout.*.*"],
            128,
        )
    },
    StreamSpec {
        keep: Keep::For(DAY.saturating_mul(30)),
        max_message: ORDER_MESSAGE,
        max_consumers: 1024,
        ..queue(names::HUB, "public events", &["hub.>"], 512)
    },
    StreamSpec {
        keep: Keep::For(DAY.saturating_mul(90)),
        max_message: LARGEST_MESSAGE,
        ..queue(names::DEAD, "messages that need a person", &["dead.>"], 128)
    },
    StreamSpec {
        keep: Keep::For(DAY.saturating_mul(30)),
        ..queue(
            names::ADVISORIES,
            "the server's notes about messages that a consumer gave up",
            &[
                "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
                "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
            ],
            16,
        )
    },
    bucket(
        "KV_connections",
        "settings and sealed credentials",
        &["$KV.connections.>"],
        64,
    ),
    bucket(
        "KV_hook-secrets",
        "webhook secrets, under their own key",
        &["$KV.hook-secrets.>"],
        16,
    ),
    bucket(
        "KV_pace",
        "token windows of connections with a limit",
        &["$KV.pace.>"],
        16,
    ),
    bucket(
        "KV_holds",
        "quantities kept back from what is published",
        &["$KV.holds.>"],
        64,
    ),
    bucket(
        "KV_catalogs",
        "the ERP's warehouses, price lists, document kinds and payment types",
        &["$KV.catalogs.>"],
        64,
    ),
];

/// All streams and buckets, in the order in which they are created.
pub const fn streams() -> &'static [StreamSpec] {
    STREAMS
}

/// The stream of this name, buckets included (`KV_<bucket>`).
pub fn stream(name: &str) -> Option<&'static StreamSpec> {
    STREAMS.iter().find(|spec| spec.name == name)
}

/// The name of the stream that keeps a bucket.
pub fn bucket_stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

const fn queue(
    name: &'static str,
    purpose: &'static str,
    subjects: &'static [&'static str],
    mib: i64,
) -> StreamSpec {
    StreamSpec {
        name,
        purpose,
        subjects,
        keep: Keep::UntilDone,
        max_bytes: mib * MIB,
        max_message: USUAL_MESSAGE,
        duplicate_window: USUAL_WINDOW,
        max_consumers: 64,
        bucket: false,
    }
}

const fn last_value(
    name: &'static str,
    purpose: &'static str,
    subjects: &'static [&'static str],
    mib: i64,
) -> StreamSpec {
    StreamSpec {
        keep: Keep::LastPerSubject,
        // One per process that reads it, and those of processes that ended moments ago.
        max_consumers: 256,
        ..queue(name, purpose, subjects, mib)
    }
}

const fn bucket(
    name: &'static str,
    purpose: &'static str,
    subjects: &'static [&'static str],
    mib: i64,
) -> StreamSpec {
    StreamSpec {
        bucket: true,
        max_consumers: 1024,
        ..last_value(name, purpose, subjects, mib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_consumers_are_limited_by_a_number() {
        let mut seen = std::collections::BTreeSet::new();
        for spec in streams() {
            assert!(seen.insert(spec.name), "{} is there twice", spec.name);
            assert!(spec.max_consumers > 0, "{}", spec.name);
            assert!(spec.max_bytes > 0, "{}", spec.name);
        }
        assert_eq!(seen.len(), 20);
    }

    #[test]
    fn a_dead_letter_has_room_for_the_largest_message_and_its_headers() {
        let dead = stream(names::DEAD).unwrap();
        for spec in streams().iter().filter(|spec| spec.name != names::DEAD) {
            assert!(
                spec.max_message + 64 * 1024 <= dead.max_message,
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn only_jobs_refuse_a_second_message_of_their_subject() {
        for spec in streams() {
            let config = spec.config(super::super::Sizing::default());
            assert_eq!(
                config.discard_new_per_subject,
                spec.name == names::JOBS,
                "{}",
                spec.name
            );
        }
    }
}
