//! What each role may say and hear, written by hand from what its code does.

use std::collections::BTreeSet;

use storelink_bus::streams;

/// Subjects that change something, or read what is not everybody's. Those of another role are among
/// them for each role.
pub(super) const SAYS: &[(&str, &[&str])] = &[
    (
        "connection-registry",
        &[
            "erp.t1.stock.changed",
            "erp.t1.price.changed",
            "erp.t1.product.changed",
            "poll.woocommerce.c1.orders",
            "poll.shopamine.c1.orders",
            "hub.t1.connection.state_changed",
            "hub.t1.resync.requested",
            "$KV.connections.connection.c1",
            "$KV.holds.hold.t1.A",
            "$JS.API.DIRECT.GET.KV_connections.$KV.connections.connection.c1",
            "$JS.API.DIRECT.GET.KV_holds.$KV.holds.hold.t1.A",
            "$JS.API.DIRECT.GET.KV_connections",
            "$JS.API.DIRECT.GET.KV_holds",
            "$JS.API.CONSUMER.CREATE.KV_connections",
            "$JS.API.CONSUMER.CREATE.KV_holds",
            "$JS.API.CONSUMER.MSG.NEXT.KV_connections.x",
            "$JS.API.CONSUMER.MSG.NEXT.KV_holds.x",
            "rpc.order-ingest.orders",
            "rpc.product-catalog.listing",
            "rpc.stock-publisher.sku",
            "rpc.price-publisher.sku",
            "_INBOX_poller-woocommerce.a",
            "_INBOX_stock-publisher.a",
            "_INBOX_price-publisher.a",
        ],
    ),
    (
        "order-ingest",
        &[
            "poll.woocommerce.c1.orders.1",
            "poll.shopamine.c1.orders.1",
            "hub.t1.order.received.o1.1",
            "hub.t1.item.parked",
            "dead.ORDERS.order.woocommerce.c1.1",
            "$JS.API.DIRECT.GET.HUB",
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS.order-ingest",
            "$JS.ACK.ORDERS.order-ingest.1.1.1.1.0",
            "$JS.API.CONSUMER.CREATE.KV_connections",
            "$JS.API.CONSUMER.MSG.NEXT.KV_connections.x",
            "_INBOX_connection-registry.a",
        ],
    ),
    (
        "product-catalog",
        &[
            "listing.c1.0",
            "hub.t1.event.rejected",
            "hub.t1.item.parked",
            "dead.PRODUCTS.product.c1.1",
            "dead.ERP_PRODUCT.erp.t1.product.changed",
            "$JS.API.DIRECT.GET.LISTINGS",
            "$JS.API.DIRECT.GET.LISTINGS.listing.c1.0",
            "$JS.API.DIRECT.GET.KV_connections.$KV.connections.connection.c1",
            "$JS.API.CONSUMER.MSG.NEXT.PRODUCTS.product-catalog",
            "$JS.ACK.PRODUCTS.product-catalog.1.1.1.1.0",
            "$JS.API.CONSUMER.MSG.NEXT.ERP_PRODUCT.product-intake",
            "$JS.ACK.ERP_PRODUCT.product-intake.1.1.1.1.0",
            "$JS.API.CONSUMER.CREATE.LISTINGS",
            "$JS.API.CONSUMER.MSG.NEXT.LISTINGS.x",
            "$JS.API.CONSUMER.CREATE.KV_connections",
            "$JS.API.CONSUMER.MSG.NEXT.KV_connections.x",
            "$JS.API.STREAM.PURGE.LISTINGS",
            "$JS.API.STREAM.PURGE.PRODUCTS",
            "_INBOX_connection-registry.a",
        ],
    ),
    (
        "stock-publisher",
        &[
            "stock.t1.main.A",
            "hub.t1.event.rejected",
            "hub.t1.item.parked",
            "hub.t1.connection.state_changed",
            "dead.ERP_STOCK.erp.t1.stock.changed",
            "dead.HUB.hub.t1.order.received.o1.1",
            "$KV.pace.c1",
            "$JS.API.DIRECT.GET.KV_pace",
            "$JS.API.DIRECT.GET.KV_pace.$KV.pace.c1",
            "$JS.API.DIRECT.GET.STOCK",
            "$JS.API.DIRECT.GET.STOCK.stock.t1.main.A",
            "$JS.API.DIRECT.GET.KV_connections.$KV.connections.connection.c1",
            "$JS.API.CONSUMER.MSG.NEXT.ERP_STOCK.stock-intake",
            "$JS.ACK.ERP_STOCK.stock-intake.1.1.1.1.0",
            "$JS.API.CONSUMER.MSG.NEXT.HUB.stock-orders",
            "$JS.ACK.HUB.stock-orders.1.1.1.1.0",
            "$JS.API.CONSUMER.CREATE.STOCK",
            "$JS.API.CONSUMER.MSG.NEXT.STOCK.x",
            "$JS.API.CONSUMER.CREATE.LISTINGS",
            "$JS.API.CONSUMER.MSG.NEXT.LISTINGS.x",
            "$JS.API.CONSUMER.CREATE.KV_connections",
            "$JS.API.CONSUMER.MSG.NEXT.KV_connections.x",
            "$JS.API.CONSUMER.CREATE.KV_holds",
            "$JS.API.CONSUMER.MSG.NEXT.KV_holds.x",
            "rpc.stock-publisher.r1.sku",
            "_INBOX_stock-publisher.a",
            "rpc.connection-registry.run",
            "_INBOX_connection-registry.a",
        ],
    ),
    (
        "price-publisher",
        &[
            "price.t1.B2C.A",
            "hub.t1.event.rejected",
            "hub.t1.item.parked",
            "hub.t1.connection.state_changed",
            "dead.ERP_PRICE.erp.t1.price.changed",
            "$KV.pace.c1",
            "$JS.API.DIRECT.GET.KV_pace",
            "$JS.API.DIRECT.GET.KV_pace.$KV.pace.c1",
            "$JS.API.DIRECT.GET.PRICES",
            "$JS.API.DIRECT.GET.PRICES.price.t1.B2C.A",
            "$JS.API.DIRECT.GET.KV_connections.$KV.connections.connection.c1",
            "$JS.API.CONSUMER.MSG.NEXT.ERP_PRICE.price-intake",
            "$JS.ACK.ERP_PRICE.price-intake.1.1.1.1.0",
            "$JS.API.CONSUMER.CREATE.PRICES",
            "$JS.API.CONSUMER.MSG.NEXT.PRICES.x",
            "$JS.API.CONSUMER.CREATE.LISTINGS",
            "$JS.API.CONSUMER.MSG.NEXT.LISTINGS.x",
            "$JS.API.CONSUMER.CREATE.KV_connections",
            "$JS.API.CONSUMER.MSG.NEXT.KV_connections.x",
            "rpc.price-publisher.r1.sku",
            "_INBOX_price-publisher.a",
            "rpc.connection-registry.run",
            "_INBOX_connection-registry.a",
        ],
    ),
    (
        "poller-woocommerce",
        &[
            "poll.woocommerce.c1.orders",
            "poll.woocommerce.c1.orders.1",
            "order.woocommerce.c1.1",
            "hook.woocommerce.c1",
            "product.c1.1",
            "dead.JOBS.poll.woocommerce.c1.orders",
            "dead.HOOKS.hook.woocommerce.c1",
            "$KV.pace.c1",
            "$JS.API.DIRECT.GET.KV_pace",
            "$JS.API.DIRECT.GET.KV_pace.$KV.pace.c1",
            "$JS.API.CONSUMER.MSG.NEXT.JOBS.poller-woocommerce",
            "$JS.ACK.JOBS.poller-woocommerce.1.1.1.1.0",
            "$JS.API.CONSUMER.MSG.NEXT.HOOKS.hooks-woocommerce",
            "$JS.ACK.HOOKS.hooks-woocommerce.1.1.1.1.0",
            "$JS.API.CONSUMER.CREATE.KV_connections",
            "$JS.API.CONSUMER.MSG.NEXT.KV_connections.x",
            "rpc.connection-registry.run",
        ],
    ),
];

/// What no role may do.
const NOBODY_SAYS: &[&str] = &[
    "customer.c1.1",
    "hook.shopamine.c1",
    "erpout.t1.o1",
    "hub.t1.order.delivered",
    "order.shopamine.c1.1",
    "dead.STOCK.stock.t1.main.A",
    "$KV.hook-secrets.c1",
    "$KV.catalogs.c1",
    "$JS.API.CONSUMER.CREATE.ORDERS",
    "$JS.API.CONSUMER.CREATE.HUB",
    "$JS.API.CONSUMER.CREATE.KV_hook-secrets",
    "$JS.API.CONSUMER.CREATE.STOCK.durable",
    "$JS.API.CONSUMER.DURABLE.CREATE.STOCK.durable",
    "$JS.API.CONSUMER.MSG.NEXT.JOBS.poller-shopamine",
    "$JS.API.DIRECT.GET.ORDERS",
    "$JS.API.DIRECT.GET.KV_hook-secrets.$KV.hook-secrets.c1",
    "$JS.API.SERVER.REMOVE",
    "$SYS.REQ.SERVER.PING",
    "other",
];

/// Administration, asked of every stream.
const ADMINISTRATION: &[&str] = &[
    "STREAM.CREATE",
    "STREAM.UPDATE",
    "STREAM.DELETE",
    "STREAM.PURGE",
    "STREAM.MSG.DELETE",
    "STREAM.MSG.GET",
    "STREAM.SNAPSHOT",
    "STREAM.RESTORE",
    "STREAM.LEADER.STEPDOWN",
];

pub(super) const HEARS: &[(&str, &[&str])] = &[
    (
        "connection-registry",
        &[
            "rpc.connection-registry.run",
            "_INBOX_connection-registry.>",
        ],
    ),
    (
        "order-ingest",
        &["rpc.order-ingest.orders", "_INBOX_order-ingest.>"],
    ),
    (
        "product-catalog",
        &["rpc.product-catalog.listing", "_INBOX_product-catalog.>"],
    ),
    (
        "stock-publisher",
        &[
            "rpc.stock-publisher.sku",
            "rpc.stock-publisher.r1.sku",
            "_INBOX_stock-publisher.>",
        ],
    ),
    (
        "price-publisher",
        &[
            "rpc.price-publisher.sku",
            "rpc.price-publisher.r1.sku",
            "_INBOX_price-publisher.>",
        ],
    ),
    ("poller-woocommerce", &["_INBOX_poller-woocommerce.>"]),
];

const NOBODY_HEARS: &[&str] = &[
    ">",
    "*",
    "_INBOX.>",
    "_INBOX_connection-registry",
    "erp.>",
    "stock.>",
    "hub.>",
    "order.>",
    "$KV.connections.>",
    "$KV.hook-secrets.>",
    "$JS.>",
    "rpc.>",
];

/// Every subject that is asked of every role.
pub(super) fn said_by_anybody() -> BTreeSet<String> {
    let administration = streams::streams().iter().flat_map(|stream| {
        let subject = |verb| format!("$JS.API.{verb}.{}", stream.name);
        ADMINISTRATION.iter().map(subject)
    });
    let of_roles = SAYS.iter().flat_map(|(_, subjects)| subjects.iter());
    let fixed = of_roles
        .chain(NOBODY_SAYS)
        .map(|&subject| subject.to_owned());
    let all = fixed.chain(administration);
    all.map(|subject| format!("say {subject}")).collect()
}

pub(super) fn heard_by_anybody() -> BTreeSet<String> {
    let of_roles = HEARS.iter().flat_map(|(_, subjects)| subjects.iter());
    let all = of_roles.chain(NOBODY_HEARS);
    all.map(|subject| format!("hear {subject}")).collect()
}
