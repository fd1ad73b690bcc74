//! Verification of keys: each way in which a store does not accept one is named by its code, with
//! remedy and evidence. Answers are recorded ones wherever there is one.

use std::sync::Arc;

use storelink_adapter_api::{CheckStatus, Diagnosis, DiagnosisStatus, StoreAccess, StoreAdapter};
use storelink_adapter_woocommerce::WooCommerce;

use crate::playing::healthy;
use crate::recording::load;
use crate::rig::{Asked, KEY, Reply, Rig, SECRET};

pub(crate) async fn verify(access: &StoreAccess) -> Diagnosis {
    let diagnosis = WooCommerce::new().verify(access).await;
    let text = serde_json::to_string(&diagnosis).unwrap();
    assert!(!text.contains(SECRET), "the secret is in the diagnosis");
    assert!(!text.contains(&KEY[3..]), "the key is in the diagnosis");
    assert_eq!(
        diagnosis.checks.len(),
        14,
        "every check is there, made or skipped"
    );
    diagnosis
}

/// The failed check and its code; a person finds evidence, meaning and remedy there.
pub(crate) fn cause(diagnosis: &Diagnosis) -> (&str, &str) {
    let check = diagnosis
        .cause()
        .unwrap_or_else(|| panic!("no cause in {diagnosis:#?}"));
    assert_eq!(diagnosis.status(), DiagnosisStatus::Red);
    assert!(
        !check.evidence.is_empty() && check.explanation.is_some(),
        "{check:?}"
    );
    assert!(!check.remedy.is_empty(), "{check:?}");
    (&check.name, check.code.as_deref().unwrap())
}

pub(crate) fn warning<'a>(diagnosis: &'a Diagnosis, name: &str) -> &'a str {
    let check = diagnosis
        .checks
        .iter()
        .find(|check| check.name == name)
        .unwrap();
    assert_eq!(check.status, CheckStatus::Warning, "{check:?}");
    check.code.as_deref().unwrap()
}

pub(crate) fn recorded(name: &str) -> Reply {
    load(name).reply()
}

pub(crate) fn not_seen() -> Reply {
    recorded("02-auth-none-tls")
}

/// A healthy store for those who are let in; everybody else gets the answer of `refuse`.
fn guarded(asked: &Asked, refuse: impl Fn(&Asked) -> Option<Reply>) -> Reply {
    let guarded = !asked.call().is_empty();
    guarded
        .then(|| refuse(asked))
        .flatten()
        .unwrap_or_else(|| healthy(asked))
}

#[tokio::test]
async fn a_healthy_store_is_green_and_its_profile_is_filled() {
    let rig = Rig::https(healthy).await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    let profile = &diagnosis.profile;
    assert_eq!(profile.version.as_deref(), Some("11.0.1"));
    assert_eq!(profile.home.as_deref(), Some("http://127.0.0.1:8102"));
    assert_eq!(profile.time_zone.as_deref(), Some("Europe/Ljubljana"));
    assert_eq!(profile.currency_digits, Some(2));
    assert_eq!(profile.prices_include_tax, Some(false));
    assert_eq!(profile.fact("auth"), Some("basic"));
    assert!(profile.has("hpos") && profile.has("flat_variations"));
    assert!(profile.clock_difference_seconds.unwrap().abs() <= 2);
    let orders = diagnosis
        .checks
        .iter()
        .find(|check| check.name == "read_orders")
        .unwrap();
    let curl = orders.curl.as_deref().unwrap();
    assert!(
        curl.starts_with("curl") && curl.contains("/wp-json/wc/v3/orders?per_page=1"),
        "{curl}"
    );
    let writes: Vec<Asked> = rig
        .asked()
        .into_iter()
        .filter(|asked| asked.method != "GET")
        .collect();
    assert_eq!(writes.len(), 1);
    assert_eq!(
        (writes[0].call(), writes[0].body.as_str()),
        ("products/batch", "{}")
    );
}

#[tokio::test]
async fn over_plain_http_requests_are_signed_and_the_wire_is_warned_of() {
    let rig = Rig::http(|asked| {
        guarded(asked, |asked| {
            (asked.auth() != "oauth1").then(|| recorded("05-auth-basic-over-plain-http"))
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    assert_eq!(warning(&diagnosis, "tls"), "woocommerce.plain_http");
    assert_eq!(diagnosis.profile.fact("auth"), Some("oauth1"));
    assert_eq!(
        diagnosis.profile.fact("signing_address"),
        Some("http://127.0.0.1:8102")
    );
    for asked in rig.asked() {
        assert!(!asked.query.contains(SECRET) && asked.header("authorization").is_none());
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_from_an_unknown_key() {
    let rig = Rig::https(|asked| {
        guarded(asked, |asked| {
            (asked.auth() == "basic").then(|| recorded("04-auth-wrong-secret-basic"))
        })
    })
    .await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("credentials", "woocommerce.secret_wrong")
    );

    let rig = Rig::https(|asked| {
        guarded(asked, |asked| {
            Some(match asked.auth() {
                "oauth1" => recorded("20-oauth-unknown-key"),
                _ => recorded("03-auth-unknown-key-basic"),
            })
        })
    })
    .await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("credentials", "woocommerce.key_unknown")
    );

    let rig = Rig::http(|asked| guarded(asked, |_| Some(recorded("19-oauth-bad-signature")))).await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("credentials", "woocommerce.secret_wrong")
    );
}

#[tokio::test]
async fn causes_are_proven_also_when_the_store_speaks_another_language() {
    let says = |text: &str| {
        let body = format!(
            r#"{{"code":"woocommerce_rest_authentication_error","message":"{text}","data":{{"status":401}}}}"#
        );
        Reply::json(401, body)
    };
    let zeros = "0".repeat(40);
    // A store of which the key is right and the secret is wrong.
    let rig = Rig::https(move |asked| {
        guarded(asked, |asked| {
            let key = asked
                .header("authorization")
                .map(decoded)
                .unwrap_or_default();
            Some(if key.starts_with(&format!("ck_{zeros}")) {
                not_seen()
            } else {
                says("Skrivni ključ ni veljaven.")
            })
        })
    })
    .await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("credentials", "woocommerce.secret_wrong")
    );

    // A store of which the key may not read.
    let zeros = "0".repeat(40);
    let rig = Rig::https(move |asked| {
        guarded(asked, |asked| {
            let pair = asked
                .header("authorization")
                .map(decoded)
                .unwrap_or_default();
            Some(if pair.starts_with(&format!("ck_{zeros}")) {
                not_seen()
            } else if pair.contains(SECRET) {
                says("Ključ nima pravice branja.")
            } else {
                says("Skrivni ključ ni veljaven.")
            })
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(
        cause(&diagnosis),
        ("read_orders", "woocommerce.key_write_only")
    );

    // A store of which the key may only read.
    let rig = Rig::https(move |asked| {
        guarded(asked, |asked| {
            (asked.method == "POST").then(|| says("Ključ nima pravice pisanja."))
        })
    })
    .await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("write", "woocommerce.key_read_only")
    );
}

fn decoded(authorization: &str) -> String {
    use base64::Engine as _;
    let encoded = authorization.trim_start_matches("Basic ");
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_dropped_header_is_proven_by_the_query_that_works() {
    let rig = Rig::https(|asked| {
        guarded(asked, |asked| match asked.auth() {
            "query" => None,
            _ => Some(recorded("09-auth-header-stripped")),
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    assert_eq!(
        warning(&diagnosis, "credentials"),
        "woocommerce.header_dropped"
    );
    assert_eq!(diagnosis.profile.fact("auth"), Some("query"));

    // The profile makes every later request go the way that works.
    let mut access = rig.access();
    access.profile = Arc::new(diagnosis.profile);
    WooCommerce::new()
        .read_order(&access, "1")
        .await
        .unwrap_err();
    let last = rig.asked().pop().unwrap();
    assert_eq!(
        (last.auth(), last.parameter("consumer_secret").as_deref()),
        ("query", Some(SECRET))
    );
}

#[tokio::test]
async fn a_store_that_believes_in_plain_http_is_proven_by_signatures_that_work() {
    let rig = Rig::https(|asked| {
        guarded(asked, |asked| match asked.auth() {
            "oauth1" => None,
            "query" => Some(recorded("08-auth-query-string-plain-http")),
            _ => Some(recorded("05-auth-basic-over-plain-http")),
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    assert_eq!(
        warning(&diagnosis, "credentials"),
        "woocommerce.https_not_seen"
    );
    assert_eq!(diagnosis.profile.fact("auth"), Some("oauth1"));
}

#[tokio::test]
async fn a_deleted_user_is_told_from_stripped_parameters() {
    let zeros = "0".repeat(40);
    let rig = Rig::https(move |asked| {
        let zeros = zeros.clone();
        guarded(asked, move |asked| {
            assert!(
                !asked.query.contains(&zeros),
                "a wrong secret is never sent in the clear"
            );
            // Only the first signed request has the right secret; the store notices the other.
            Some(recorded("14-auth-key-of-deleted-user"))
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(
        cause(&diagnosis),
        ("credentials", "woocommerce.credentials_stripped")
    );

    let signed = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let rig = Rig::https(move |asked| {
        let signed = Arc::clone(&signed);
        guarded(asked, move |asked| {
            let earlier = (asked.auth() == "oauth1")
                .then(|| signed.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
            Some(match earlier {
                Some(count) if count > 0 => recorded("19-oauth-bad-signature"),
                _ => recorded("14-auth-key-of-deleted-user"),
            })
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(
        cause(&diagnosis),
        ("credentials", "woocommerce.key_user_gone")
    );
}

#[tokio::test]
async fn signatures_are_made_with_the_address_that_the_store_signs_with() {
    // The store signs with https although it is called by http: the second address tried fits.
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let rig = Rig::http(move |asked| {
        let tries = Arc::clone(&tries);
        guarded(asked, move |asked| {
            let first = asked.call() == "orders"
                && tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            first.then(|| recorded("25-oauth-signed-with-wrong-host"))
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    assert_eq!(
        diagnosis.profile.fact("signing_address"),
        Some("https://127.0.0.1:8102")
    );
}

#[tokio::test]
async fn rights_of_key_and_user_are_told_apart() {
    let rig =
        Rig::https(|asked| guarded(asked, |_| Some(recorded("13-auth-key-of-customer-user"))))
            .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(
        cause(&diagnosis),
        ("read_orders", "woocommerce.rights_missing")
    );

    let rig = Rig::https(|asked| {
        guarded(asked, |asked| {
            (asked.method == "POST").then(|| recorded("149-batch-read-only-key"))
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(cause(&diagnosis), ("write", "woocommerce.key_read_only"));

    let rig =
        Rig::https(|asked| guarded(asked, |_| Some(recorded("12-auth-write-key-reads")))).await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(
        cause(&diagnosis),
        ("read_orders", "woocommerce.key_write_only")
    );

    // A user who may work with orders and products but not see the settings: all works.
    let rig = Rig::https(|asked| {
        let settings = [
            "system_status",
            "settings/tax",
            "data/currencies/current",
            "webhooks",
        ];
        guarded(asked, |asked| {
            settings
                .contains(&asked.call())
                .then(|| recorded("13-auth-key-of-customer-user"))
        })
    })
    .await;
    let diagnosis = verify(&rig.access()).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    assert_eq!(
        warning(&diagnosis, "version"),
        "woocommerce.settings_not_readable"
    );
    assert_eq!(
        warning(&diagnosis, "webhooks"),
        "woocommerce.webhooks_not_allowed"
    );
    assert_eq!(diagnosis.profile.currency, None);
}

#[tokio::test]
async fn over_plain_http_no_profile_makes_a_key_leave_in_the_clear() {
    for fact in ["basic", "query", "oauth1"] {
        let rig = Rig::http(healthy).await;
        let mut access = rig.access();
        let profile = Arc::make_mut(&mut access.profile);
        profile.facts.insert("auth".to_owned(), fact.into());
        WooCommerce::new()
            .read_order(&access, "1")
            .await
            .unwrap_err();
        let asked = &rig.asked()[0];
        assert_eq!(asked.auth(), "oauth1", "{fact}");
        assert!(!asked.query.contains(SECRET) && asked.header("authorization").is_none());
    }
}
