//! Verification of stores that cannot be reached as they should: address, certificate, permalinks,
//! what stands in front of the interface, clock, and the shop's own facts.

use std::sync::Arc;

use storelink_adapter_api::{
    CheckStatus, Credentials, DiagnosisStatus, FieldKind, Lifecycle, StoreAdapter,
};
use storelink_adapter_woocommerce::{CODES, WooCommerce};
use storelink_outbound_http::{OutboundPolicy, Url};

use crate::playing::healthy;
use crate::recording::load;
use crate::rig::{Asked, Reply, Rig, access, http_date};
use crate::verification::{cause, not_seen, recorded, verify, warning};

#[tokio::test]
async fn plain_permalinks_and_a_server_without_rewriting_are_told_apart() {
    let plain = |name: &'static str| {
        move |asked: &Asked| match asked.path.as_str() {
            "/" if asked.query.starts_with("rest_route=/wc/v3/orders") => {
                recorded("178-env-rest-route-with-key")
            }
            _ => recorded(name),
        }
    };
    for answer in [
        "177-env-plain-permalinks",
        "177b-env-plain-permalinks-follow",
    ] {
        let rig = Rig::https(plain(answer)).await;
        let diagnosis = verify(&rig.access()).await;
        assert_eq!(
            cause(&diagnosis),
            ("api", "woocommerce.permalinks_plain"),
            "{answer}"
        );
    }
    let rig = Rig::https(|asked| match asked.path.as_str() {
        "/" => not_seen(),
        _ => recorded("180-env-no-rewrite"),
    })
    .await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("api", "woocommerce.no_rewrite")
    );
    let rig = Rig::https(|_| recorded("180-env-no-rewrite")).await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("api", "woocommerce.api_not_found")
    );
    let rig = Rig::https(|asked| match asked.path.as_str() {
        "/" => recorded("301-v79-variations-flat"),
        _ => recorded("180-env-no-rewrite"),
    })
    .await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("api", "woocommerce.not_active")
    );
}

#[tokio::test]
async fn what_stands_in_front_of_the_interface_is_named() {
    let index = load("01-index-fields")
        .response()
        .body
        .replace("wc\\/v3", "wc\\/v2");
    for (what, reply, code) in [
        (
            "a page",
            Reply::html(200, "<!doctype html><html>Hi</html>"),
            "woocommerce.answer_html",
        ),
        (
            "nothing",
            Reply::json(200, ""),
            "woocommerce.answer_not_understood",
        ),
        (
            "maintenance",
            recorded("170-env-maintenance"),
            "woocommerce.maintenance",
        ),
        (
            "its page",
            recorded("170b-env-maintenance-html"),
            "woocommerce.maintenance",
        ),
        (
            "a security plugin",
            recorded("171-env-rest-disabled"),
            "woocommerce.api_closed",
        ),
        (
            "a firewall",
            recorded("186-env-403-firewall"),
            "woocommerce.firewall",
        ),
        (
            "a limit",
            recorded("185-env-429"),
            "woocommerce.rate_limited",
        ),
        (
            "a crash",
            recorded("174-env-php-fatal-json"),
            "woocommerce.plugin_crash",
        ),
        (
            "no database",
            recorded("176-env-database-down"),
            "woocommerce.database_down",
        ),
        ("no PHP", recorded("182-env-502"), "woocommerce.gateway"),
        (
            "a password",
            Reply::html(401, "<html>x</html>").with("WWW-Authenticate", "Basic realm=\"x\""),
            "woocommerce.server_password",
        ),
        (
            "no WooCommerce",
            Reply::json(200, index),
            "woocommerce.not_active",
        ),
    ] {
        let rig = Rig::https(move |_| reply.clone()).await;
        let diagnosis = verify(&rig.access()).await;
        let check = diagnosis
            .cause()
            .unwrap_or_else(|| panic!("{what}: no cause"));
        assert_eq!(
            (check.name.as_str(), check.code.as_deref()),
            ("api", Some(code)),
            "{what}"
        );
        let skipped = diagnosis
            .checks
            .iter()
            .filter(|check| check.status == CheckStatus::Skipped);
        assert_eq!(
            skipped.count(),
            11,
            "{what}: what cannot be asked is skipped"
        );
    }
}

#[tokio::test]
async fn a_new_address_is_proposed_and_never_followed() {
    let new = Rig::https(healthy).await;
    let target = format!("{}wp-json/?_fields=name", new.address());
    let rig =
        Rig::http(move |_| recorded("181-env-redirect-to-https").with("Location", &target)).await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(cause(&diagnosis), ("api", "woocommerce.moved"));
    let evidence = &diagnosis.cause().unwrap().evidence;
    let address = new.address().as_str().trim_end_matches('/');
    assert!(
        evidence.contains(&format!("{address}, and a store answers there")),
        "{evidence}"
    );
    assert_eq!(new.asked().len(), 1, "one question, without keys");
    assert_eq!(new.asked()[0].auth(), "none");

    // A redirect into a private network leads nowhere.
    let rig = Rig::https(|_| {
        recorded("181-env-redirect-to-https").with("Location", "http://10.0.0.1/wp-json/")
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(cause(&diagnosis), ("api", "woocommerce.moved"));
    assert!(
        diagnosis
            .cause()
            .unwrap()
            .evidence
            .contains("no store answers")
    );
}

#[tokio::test]
async fn private_and_unreachable_addresses_are_refused_with_a_code() {
    let at = |address: &str| access(Url::parse(address).unwrap(), OutboundPolicy::default());
    for (address, code) in [
        ("http://127.0.0.1:8080", "http.address_refused"),
        ("https://192.168.1.10", "http.address_refused"),
        ("https://169.254.169.254", "http.address_refused"),
        ("https://shop.local", "http.address_refused"),
        ("https://user:pw@shop.example.com", "http.address_invalid"),
        ("https://203.0.113.7:22", "http.address_refused"),
    ] {
        let diagnosis = verify(&at(address)).await;
        assert_eq!(cause(&diagnosis), ("address", code), "{address}");
    }
    let closed = Rig::https(healthy).await;
    let address = closed.address().clone();
    drop(closed);
    tokio::task::yield_now().await;
    let diagnosis = verify(&access(address, OutboundPolicy::loopback())).await;
    assert_eq!(cause(&diagnosis), ("address", "http.connect_refused"));

    let plain = Rig::http(healthy).await;
    let mut address = plain.address().clone();
    address.set_scheme("https").unwrap();
    let diagnosis = verify(&access(address, OutboundPolicy::loopback())).await;
    assert_eq!(cause(&diagnosis), ("tls", "http.tls_not_spoken"));
}

#[tokio::test]
async fn a_clock_that_differs_is_measured_and_judged_by_what_it_breaks() {
    let skewed = |seconds: i64| {
        move |asked: &Asked| {
            let at =
                storelink_model::Timestamp::now().datetime() + time::Duration::seconds(seconds);
            healthy(asked).with("Date", &http_date(at))
        }
    };
    let rig = Rig::https(skewed(300)).await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green);
    assert_eq!(warning(&diagnosis, "clock"), "woocommerce.clock_differs");
    let difference = diagnosis.profile.clock_difference_seconds.unwrap();
    assert!((298..=302).contains(&difference), "{difference}");

    // Only signatures break: over TLS it stays a warning.
    let rig = Rig::https(skewed(-3600)).await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(warning(&diagnosis, "clock"), "woocommerce.clock_differs");
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green);

    let rig = Rig::http(move |asked| match asked.call() {
        "" => skewed(-3600)(asked),
        _ => recorded("21-oauth-timestamp-too-old"),
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(cause(&diagnosis), ("clock", "woocommerce.clock_differs"));
    let evidence = &diagnosis.cause().unwrap().evidence;
    assert!(evidence.contains("s behind ours"), "{evidence}");
    let credentials = diagnosis
        .checks
        .iter()
        .find(|check| check.name == "credentials")
        .unwrap();
    assert_eq!(
        credentials.code.as_deref(),
        Some("woocommerce.clock_differs")
    );
}

#[tokio::test]
async fn noise_around_the_answers_is_shown_but_no_obstacle() {
    let noise = load("172-env-php-warning-noise").response().body.clone();
    let noise = noise.split("[{").next().unwrap().to_owned();
    let rig = Rig::https(move |asked| {
        let reply = healthy(asked);
        let body = [noise.as_bytes(), &reply.body].concat();
        Reply { body, ..reply }
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    assert_eq!(warning(&diagnosis, "api"), "woocommerce.noisy_answers");
    let api = diagnosis
        .checks
        .iter()
        .find(|check| check.name == "api")
        .unwrap();
    assert!(
        api.evidence.contains("Undefined variable"),
        "{}",
        api.evidence
    );
}

#[tokio::test]
async fn prices_with_tax_and_old_versions_are_told() {
    let tax =
        load("87-settings-tax")
            .response()
            .body
            .replacen(r#""value":"no""#, r#""value":"yes""#, 1);
    let rig = Rig::https(move |asked| match asked.call() {
        "settings/tax" => Reply::json(200, tax.clone()),
        _ => healthy(asked),
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(
        warning(&diagnosis, "tax_mode"),
        "woocommerce.prices_with_tax"
    );
    assert_eq!(diagnosis.profile.prices_include_tax, Some(true));
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green);

    let old = load("85-system-status")
        .response()
        .body
        .replacen("11.0.1", "5.7.2", 1);
    let rig = Rig::https(move |asked| match asked.call() {
        "system_status" => Reply::json(200, old.clone()),
        _ => healthy(asked),
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(
        cause(&diagnosis),
        ("version", "woocommerce.version_too_old")
    );
}

#[tokio::test]
async fn missing_keys_are_named_before_anything_is_sent_with_them() {
    let rig = Rig::https(healthy).await;
    let mut access = rig.access();
    access.credentials = Arc::new(Credentials::default());
    let diagnosis = verify(&access).await;
    assert_eq!(
        cause(&diagnosis),
        ("credentials", "woocommerce.keys_missing")
    );
    assert_eq!(rig.asked().len(), 1, "only the index, which needs no key");
}

#[test]
fn the_descriptor_says_what_the_form_needs() {
    let adapter = WooCommerce::new();
    let descriptor = adapter.descriptor();
    assert_eq!(descriptor.platform.as_str(), "woocommerce");
    let fields: Vec<(&str, bool, Option<&str>)> = descriptor
        .fields
        .iter()
        .map(|field| {
            (
                field.name.as_str(),
                field.required,
                field.pattern.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            ("address", true, None),
            ("consumer_key", true, Some("^ck_[0-9a-f]{40}$")),
            ("consumer_secret", true, Some("^cs_[0-9a-f]{40}$")),
            ("manage_stock", false, None),
            ("page_size", false, None),
        ]
    );
    let kinds: Vec<FieldKind> = descriptor.fields.iter().map(|field| field.kind).collect();
    assert_eq!(kinds[1..3], [FieldKind::Key, FieldKind::Secret]);
    assert_eq!(
        descriptor.guide.in_store[0].menu,
        ["Settings", "Permalinks"]
    );
    assert!(
        descriptor.guide.in_store[1]
            .menu
            .join(" > ")
            .ends_with("Advanced > REST API > Add key")
    );
    let rhythm = |name: &str| {
        let entity = descriptor
            .entities
            .iter()
            .find(|entity| entity.entity == name)
            .unwrap();
        (entity.every_seconds, entity.shortest_seconds)
    };
    assert_eq!(
        (rhythm("orders"), rhythm("products")),
        ((3_600, 60), (86_400, 900))
    );
    assert_eq!(descriptor.lifecycle, Lifecycle::Current);
    let page = include_str!("../../../../docs/how-to/woocommerce.md");
    for version in &descriptor.versions_checked {
        assert!(
            page.contains(version.as_str()),
            "the how-to page lacks version {version}"
        );
    }
}

#[test]
fn every_code_is_unique_and_has_its_row_in_the_how_to_page() {
    let page = include_str!("../../../../docs/how-to/woocommerce.md");
    for (place, code) in CODES.iter().enumerate() {
        assert!(code.code.starts_with("woocommerce."));
        assert!(!code.cause.is_empty(), "{}", code.code);
        assert!(
            CODES
                .iter()
                .skip(place + 1)
                .all(|other| other.code != code.code),
            "{}",
            code.code
        );
        let row = format!("| `{}` | {} |", code.code, code.cause);
        assert!(
            page.contains(&row),
            "docs/how-to/woocommerce.md lacks: {row}"
        );
    }
}
