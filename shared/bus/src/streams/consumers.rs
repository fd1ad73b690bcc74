//! The table of durable consumers.

use std::borrow::Cow;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};

use super::names;

/// A durable consumer: one per role and stream, shared by the role's replicas. Never one per
/// store, because a stream slows with each consumer.
///
/// Deliveries are unlimited: past a limit the server keeps a message but shows it to nobody. The
/// worker parks what it cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// Durable name.
    pub name: Cow<'static, str>,
    /// The stream it reads.
    pub stream: &'static str,
    /// The subjects it reads; on a work queue no two consumers may overlap.
    pub filter: Cow<'static, str>,
    /// What it is for, in one line.
    pub purpose: &'static str,
    /// A message that was not acknowledged for so long is delivered again.
    pub ack_wait: Duration,
    /// Messages that may be in work at the same time, over all replicas. One that waits for its next
    /// delivery counts too, however long: where messages of a store or ERP that is down pile up, this
    /// has to be larger than their number, or they keep all others out.
    pub max_ack_pending: i64,
}

const ACK_WAIT: Duration = Duration::from_secs(30);

/// Room for what waits because a store or an ERP is down: 2,500 stores of one platform with their
/// orders and products. The server keeps some hundred bytes for each.
const WITH_OUTAGES: i64 = 5_000;

/// Reads ERP_STOCK.
pub const STOCK_INTAKE: ConsumerSpec = ConsumerSpec {
    name: Cow::Borrowed("stock-intake"),
    stream: names::ERP_STOCK,
    filter: Cow::Borrowed("erp.*.stock.changed"),
    purpose: "stock changes into last values",
    ack_wait: ACK_WAIT,
    max_ack_pending: 2_000,
};

/// Reads the order events of HUB: a sale changes the stock that a store shows.
pub const STOCK_ORDERS: ConsumerSpec = ConsumerSpec {
    name: Cow::Borrowed("stock-orders"),
    stream: names::HUB,
    filter: Cow::Borrowed("hub.*.order.*.*.*"),
    purpose: "orders into doubts about the stock of their store",
    ack_wait: ACK_WAIT,
    max_ack_pending: 1_000,
};

/// Reads ERP_PRICE.
pub const PRICE_INTAKE: ConsumerSpec = ConsumerSpec {
    name: Cow::Borrowed("price-intake"),
    stream: names::ERP_PRICE,
    filter: Cow::Borrowed("erp.*.price.changed"),
    purpose: "price changes into last values",
    ack_wait: ACK_WAIT,
    max_ack_pending: 2_000,
};

/// Reads ERP_PRODUCT.
pub const PRODUCT_INTAKE: ConsumerSpec = ConsumerSpec {
    name: Cow::Borrowed("product-intake"),
    stream: names::ERP_PRODUCT,
    filter: Cow::Borrowed("erp.*.product.changed"),
    purpose: "product master data into the catalogue",
    ack_wait: ACK_WAIT,
    max_ack_pending: 1_000,
};

/// Reads ORDERS.
pub const ORDER_INGEST: ConsumerSpec = ConsumerSpec {
    name: Cow::Borrowed("order-ingest"),
    stream: names::ORDERS,
    filter: Cow::Borrowed("order.*.*.*"),
    purpose: "orders into the ledger",
    ack_wait: ACK_WAIT,
    max_ack_pending: WITH_OUTAGES,
};

/// Reads PRODUCTS.
pub const PRODUCT_CATALOG: ConsumerSpec = ConsumerSpec {
    name: Cow::Borrowed("product-catalog"),
    stream: names::PRODUCTS,
    filter: Cow::Borrowed("product.*.*"),
    purpose: "products of stores into listings",
    ack_wait: ACK_WAIT,
    max_ack_pending: 2_000,
};

/// Reads ERP_OUT.
pub const ERP_OUT_CONSUMER: ConsumerSpec = ConsumerSpec {
    name: Cow::Borrowed("erp-out"),
    stream: names::ERP_OUT,
    filter: Cow::Borrowed("erpout.*.*"),
    purpose: "order revisions into ERP documents",
    ack_wait: Duration::from_secs(60),
    max_ack_pending: WITH_OUTAGES,
};

/// The consumers that exist once. Those of a platform come from [`poller`] and [`hooks`].
pub const fn consumers() -> &'static [ConsumerSpec] {
    const TABLE: &[ConsumerSpec] = &[
        STOCK_INTAKE,
        STOCK_ORDERS,
        PRICE_INTAKE,
        PRODUCT_INTAKE,
        ORDER_INGEST,
        PRODUCT_CATALOG,
        ERP_OUT_CONSUMER,
    ];
    TABLE
}

/// The consumer of a platform's poll jobs. `platform` is one subject token, such as
/// `woocommerce`.
pub fn poller(platform: &str) -> ConsumerSpec {
    ConsumerSpec {
        name: format!("poller-{platform}").into(),
        stream: names::JOBS,
        filter: format!("poll.{platform}.>").into(),
        purpose: "poll jobs of one platform",
        ack_wait: ACK_WAIT,
        max_ack_pending: WITH_OUTAGES,
    }
}

/// The consumer of a platform's webhook hints.
pub fn hooks(platform: &str) -> ConsumerSpec {
    ConsumerSpec {
        name: format!("hooks-{platform}").into(),
        stream: names::HOOKS,
        filter: format!("hook.{platform}.*").into(),
        purpose: "webhook hints of one platform into poll jobs",
        ack_wait: ACK_WAIT,
        max_ack_pending: WITH_OUTAGES,
    }
}

impl ConsumerSpec {
    /// The configuration that the server is asked for.
    pub fn config(&self) -> pull::Config {
        pull::Config {
            durable_name: Some(self.name.to_string()),
            description: Some(self.purpose.to_owned()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            max_deliver: -1,
            filter_subject: self.filter.to_string(),
            replay_policy: ReplayPolicy::Instant,
            max_ack_pending: self.max_ack_pending,
            ..pull::Config::default()
        }
    }
}
