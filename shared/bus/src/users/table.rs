//! The table of the roles' users. The end-to-end tests run every role with its own: what is missing
//! here makes them fail, and what is too much makes the matrix of `tests/it/users.rs` fail.

use crate::streams::{self, names};

use super::BrokerUser;

/// Name of the user that makes streams.
pub const ADMINISTRATOR: &str = "administrator";
/// Name of the user of a process that runs every role.
pub const DEV: &str = "dev";

const REGISTRY: &str = "connection-registry";
const INGEST: &str = "order-ingest";
const CATALOG: &str = "product-catalog";
const STOCK: &str = "stock-publisher";
const PRICE: &str = "price-publisher";

/// What a process tells about an item of its work.
const REJECTED: &str = "hub.*.event.rejected";
const PARKED: &str = "hub.*.item.parked";
const STATE_CHANGED: &str = "hub.*.connection.state_changed";

/// The users of all roles, those of the pollers by platform.
pub fn roles(platforms: &[&str]) -> Vec<BrokerUser> {
    let mut users = vec![
        connection_registry(),
        order_ingest(),
        product_catalog(),
        stock_publisher(),
        price_publisher(),
    ];
    users.extend(platforms.iter().map(|platform| poller(platform)));
    users
}

/// The user of the person, or Job, who makes streams, looks at parked messages and repairs: within
/// the account of Storelink nothing is refused to it. No role runs with it.
pub fn administrator() -> BrokerUser {
    BrokerUser::new(
        ADMINISTRATOR,
        "makes streams and consumers; for people and Jobs, never for a role",
    )
    .unlimited()
}

/// The user of `storelink dev`: one connection for every role, which also makes its streams.
pub fn dev(platforms: &[&str]) -> BrokerUser {
    let alone = BrokerUser::new(DEV, "every role in one process").makes_streams();
    roles(platforms).iter().fold(alone, BrokerUser::and)
}

fn connection_registry() -> BrokerUser {
    BrokerUser::new(REGISTRY, "API and connections")
        // Events of ERPs that post them, and jobs that are due.
        .says(&[
            "erp.*.stock.changed",
            "erp.*.price.changed",
            "erp.*.product.changed",
            "poll.*.*.*",
            STATE_CHANGED,
            // After a restore.
            "hub.*.resync.requested",
        ])
        .writes_bucket(names::CONNECTIONS)
        .watches_bucket(names::CONNECTIONS)
        .writes_bucket(names::HOLDS)
        .watches_bucket(names::HOLDS)
        .serves(REGISTRY)
        .asks(INGEST, &["*"])
        .asks(CATALOG, &["*"])
        .asks(STOCK, &["*"])
        .asks(PRICE, &["*"])
}

fn order_ingest() -> BrokerUser {
    BrokerUser::new(INGEST, "orders into the ledger and out as events")
        .works(&streams::ORDER_INGEST)
        // An order is asked for again where a late answer may be the older one.
        .says(&["poll.*.*.*.*", PARKED])
        .says_in_turn(names::HUB, "hub.*.order.*.*.*")
        .looks_at(names::HUB)
        .watches_bucket(names::CONNECTIONS)
        .serves(INGEST)
}

fn product_catalog() -> BrokerUser {
    BrokerUser::new(CATALOG, "products of stores into listings")
        .works(&streams::PRODUCT_CATALOG)
        .works(&streams::PRODUCT_INTAKE)
        .says(&[REJECTED, PARKED])
        .says_in_turn(names::LISTINGS, "listing.*.*")
        .looks_up(names::LISTINGS, "listing.*.*")
        .follows(names::LISTINGS)
        // What a deleted connection leaves behind.
        .purges(names::LISTINGS)
        .purges(names::PRODUCTS)
        .watches_bucket(names::CONNECTIONS)
        .reads_bucket(names::CONNECTIONS)
        .serves(CATALOG)
}

fn stock_publisher() -> BrokerUser {
    publisher(STOCK, "stock of the ERP into stores")
        .works(&streams::STOCK_INTAKE)
        .works(&streams::STOCK_ORDERS)
        .says_in_turn(names::STOCK, "stock.*.*.*")
        .looks_up(names::STOCK, "stock.*.*.*")
        .follows(names::STOCK)
        .watches_bucket(names::HOLDS)
}

fn price_publisher() -> BrokerUser {
    publisher(PRICE, "prices of the ERP into stores")
        .works(&streams::PRICE_INTAKE)
        .says_in_turn(names::PRICES, "price.*.*.*")
        .looks_up(names::PRICES, "price.*.*.*")
        .follows(names::PRICES)
}

/// What both publishers do.
fn publisher(service: &'static str, purpose: &'static str) -> BrokerUser {
    BrokerUser::new(service, purpose)
        .says(&[REJECTED, PARKED, STATE_CHANGED])
        .follows(names::LISTINGS)
        .watches_bucket(names::CONNECTIONS)
        .reads_bucket(names::CONNECTIONS)
        .writes_bucket(names::PACE)
        .serves(service)
        // The replica that has the lane.
        .asks(service, &["*.*"])
        .asks(REGISTRY, &["run"])
}

fn poller(platform: &str) -> BrokerUser {
    BrokerUser::new(
        format!("poller-{platform}"),
        "reads the stores of one platform",
    )
    .works(&streams::poller(platform))
    .works(&streams::hooks(platform))
    // Hints and unfinished walks become jobs.
    .says(&[
        &format!("poll.{platform}.>"),
        &format!("order.{platform}.*.*"),
        // Hints that nobody has room for yet go back, as fewer.
        &format!("hook.{platform}.*"),
        "product.*.*",
    ])
    .looks_at(names::ORDERS)
    .looks_at(names::PRODUCTS)
    .watches_bucket(names::CONNECTIONS)
    .writes_bucket(names::PACE)
    .asks(REGISTRY, &["run"])
}
