//! What each recording needs before it is replayed, and what is not compared, with the reason.

use serde_json::{Value, json};
use storelink_simulators::woocommerce::Snapshot;
use storelink_simulators::{FaultEffect, FaultPage, Noise};

use crate::recorded_state::merge;
use crate::recordings::body;

/// Members that no comparison looks at.
pub(crate) const ASIDE_ALWAYS: &[(&str, &str)] = &[
    (
        "**.price_html",
        "markup for people, made by the theme's settings",
    ),
    ("**.related_ids", "drawn at random by the store"),
];

const NEW_ID: &str = "numbers of new things depend on what the store made before";
const ADDRESS: &str = "contains the number of a new thing";
const SECOND: &str = "the store took more than a second for the batch";
const HTML: &str = "the page's style sheet is left out; status and headers are compared";

/// Members that are not compared in single recordings. `body` stands for a whole body without JSON.
pub(crate) const ASIDE: &[(&str, &str, &str)] = &[
    ("85", "active_plugins", "plugins of the recorded store"),
    ("85", "inactive_plugins", "plugins of the recorded store"),
    ("85", "dropins_mu_plugins", "plugins of the recorded store"),
    ("85", "theme", "theme of the recorded store"),
    ("85", "database", "tables of the recorded store"),
    ("85", "pages", "pages of the recorded store"),
    ("85", "logging", "of no use to a client"),
    ("85", "security", "of no use to a client"),
    ("85", "post_type_counts", "of no use to a client"),
    (
        "85",
        "environment.*",
        "versions are tested by name; the rest describes the recorded machine",
    ),
    (
        "85",
        "settings.*",
        "currency, decimals and order tables are tested by name",
    ),
    ("86", "*.label", "texts for people"),
    ("86", "*.description", "texts for people"),
    ("86", "*.tip", "texts for people"),
    ("86", "*.type", "describes the form"),
    ("86", "*.default", "describes the form"),
    ("86", "*.options", "describes the form"),
    ("87", "*.label", "texts for people"),
    ("87", "*.description", "texts for people"),
    ("87", "*.tip", "texts for people"),
    ("87", "*.type", "describes the form"),
    ("87", "*.default", "describes the form"),
    ("87", "*.options", "describes the form"),
    ("128", "date_modified_gmt", SECOND),
    ("143", "update.*.date_modified", SECOND),
    ("143", "update.*.date_modified_gmt", SECOND),
    ("152", "meta_data.1.id", NEW_ID),
    ("153", "id", NEW_ID),
    ("153", "_links.self", ADDRESS),
    ("155", "id", NEW_ID),
    ("155", "number", NEW_ID),
    ("155", "order_key", "drawn at random"),
    ("155", "payment_url", ADDRESS),
    ("155", "_links", ADDRESS),
    ("155", "line_items.*.id", NEW_ID),
    ("155", "line_items.*.meta_data.*.id", NEW_ID),
    ("155", "tax_lines.*.id", NEW_ID),
    ("155", "shipping_lines.*.id", NEW_ID),
    ("156", "id", NEW_ID),
    ("156", "number", NEW_ID),
    ("156", "order_key", "drawn at random"),
    ("156", "payment_url", ADDRESS),
    ("156", "_links", ADDRESS),
    ("156", "line_items.*.id", NEW_ID),
    ("156", "tax_lines.*.id", NEW_ID),
    ("157", "id", NEW_ID),
    ("157", "_links.self", ADDRESS),
    ("157", "meta_data.0.id", NEW_ID),
    ("307", "id", NEW_ID),
    ("307", "_links.self", ADDRESS),
    ("170b", "body", HTML),
    (
        "174",
        "data.error.message",
        "a stack trace of the recorded machine",
    ),
    ("175", "body", HTML),
    ("201", "id", NEW_ID),
    ("201", "_links.self", ADDRESS),
    ("203", "id", NEW_ID),
    ("203", "_links.self", ADDRESS),
    ("204", "id", NEW_ID),
    ("204", "_links.self", ADDRESS),
];

/// Headers that are compared: where the recording has them, and where the answer has them.
pub(crate) const HEADERS: &[&str] = &[
    "content-type",
    "date",
    "x-wp-total",
    "x-wp-totalpages",
    "link",
    "allow",
    "location",
    "retry-after",
    "x-robots-tag",
    "x-redirect-by",
    "x-content-type-options",
    "vary",
    "expires",
    "cache-control",
];

/// Headers that are not compared in single recordings.
pub(crate) const HEADERS_ASIDE: &[(&str, &str, &str)] = &[
    (
        "17",
        "link",
        "a plus sign in the repeated signature is spelt differently; nobody follows it (27)",
    ),
    ("153", "location", ADDRESS),
    ("155", "location", ADDRESS),
    ("156", "location", ADDRESS),
    ("157", "location", ADDRESS),
    ("307", "location", ADDRESS),
    ("201", "location", ADDRESS),
    ("203", "location", ADDRESS),
    ("204", "location", ADDRESS),
];

const HOOK: &str = "sent by the store: the simulator sends no webhooks";
const FAILED: &str = "state after failed deliveries, which the simulator does not make";
const BROWSER: &str = "key hand-over pages for a person's browser are not simulated";

/// Recordings that are not replayed.
pub(crate) const UNUSED: &[(&str, &str)] = &[
    ("202", HOOK),
    (
        "205",
        "reads a webhook made before; the webhook test does the same",
    ),
    ("210", HOOK),
    ("211", HOOK),
    ("212", HOOK),
    ("213", HOOK),
    ("214", HOOK),
    ("215", HOOK),
    ("216", HOOK),
    ("217", HOOK),
    ("218", FAILED),
    ("219", FAILED),
    ("220", FAILED),
    ("221", HOOK),
    ("222", HOOK),
    ("230", BROWSER),
    ("231", BROWSER),
    ("232", BROWSER),
    ("233", BROWSER),
    ("234", BROWSER),
    ("235", BROWSER),
    ("236", BROWSER),
    ("237", BROWSER),
    ("238", BROWSER),
];

/// Changes to the state that lie between the recorded whole objects and a recording.
pub(crate) fn prepare(number: &str, snapshot: &mut Snapshot) {
    if number == "75b" {
        snapshot.orders.push(body("75b"));
    }
    let mut product = |id: u64, members: Value| merge(&mut snapshot.products, id, &members);
    match number {
        "101" => product(17, json!({"stock_quantity": 37})),
        "113" => product(64, json!({"stock_quantity": 41})),
        "118" => product(17, json!({"stock_quantity": 0})),
        "127" => product(18, json!({"regular_price": "1.234"})),
        "127b" => product(43, json!({"regular_price": "12", "sale_price": "8"})),
        "129" => product(
            18,
            json!({"regular_price": "24.90", "sale_price": "19.90",
            "date_on_sale_from_gmt": "2026-12-01T00:00:00", "date_on_sale_to_gmt": "2026-12-10T00:00:00"}),
        ),
        "134" => product(18, json!({"regular_price": "24.90"})),
        "140" => product(37, json!({"regular_price": "12.5"})),
        "143" | "146" => {
            product(37, json!({"regular_price": "12.5"}));
            product(39, json!({"regular_price": "9.90", "sale_price": "7.90"}));
        }
        "147" => {
            merge(
                &mut snapshot.variations,
                58,
                &json!({"regular_price": "18.80", "sale_price": ""}),
            );
        }
        "154" => merge(&mut snapshot.orders, 86, &body("154")),
        "158" => merge(&mut snapshot.orders, 108, &body("158")),
        "161" | "161b" => merge(&mut snapshot.orders, 120, &body("161")),
        "164" => product(37, json!({"stock_quantity": 2})),
        "308" => merge(&mut snapshot.orders, 64, &body("308")),
        _ => {}
    }
}

/// The fault that a recording was made under.
pub(crate) fn fault(number: &str) -> Option<FaultEffect> {
    let page = match number {
        "09" | "10" => return Some(FaultEffect::DropAuthorization),
        "172" | "172b" => return Some(FaultEffect::Noise(Noise::Warning)),
        "173" => return Some(FaultEffect::Noise(Noise::ByteOrderMark)),
        "177" | "177b" | "178" | "179" => return Some(FaultEffect::PlainPermalinks),
        "170" | "170b" => FaultPage::Maintenance,
        "171" => FaultPage::ApiClosed,
        "174" | "175" => FaultPage::FatalError,
        "176" => FaultPage::DatabaseDown,
        "180" => FaultPage::NotFound,
        "181" => FaultPage::Redirect {
            status: 301,
            base: "https://127.0.0.1:8142".to_owned(),
        },
        "182" => FaultPage::BadGateway,
        "183" => FaultPage::GatewayTimeout,
        "184" => FaultPage::BodyTooLarge,
        "185" => FaultPage::TooManyRequests(None),
        "186" => FaultPage::Forbidden,
        _ => return None,
    };
    Some(FaultEffect::Answer(page))
}
