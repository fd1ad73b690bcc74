//! Verification of an address that is a page of a store, or of no store at all.

use storelink_adapter_api::{Diagnosis, DiagnosisStatus, StoreAccess};
use storelink_outbound_http::Url;
use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{Fault, FaultEffect, FaultMatch};

use crate::playing::healthy;
use crate::recording::load;
use crate::rig::{Asked, Reply, Rig};
use crate::simulated::{store, unverified};
use crate::verification::{cause, recorded, verify};

const PAGES: [&str; 10] = [
    "/shop",
    "/shop/",
    "/shop/shoes/winter",
    "/wp-admin",
    "/wp-admin/admin.php",
    "/index.php",
    "/wp-json",
    "/wp-json/",
    "/wp-json/wc/v3",
    "/wp-json/wc/v3/orders",
];

fn at(access: StoreAccess, address: &str) -> StoreAccess {
    let address: Url = address.parse().unwrap();
    StoreAccess { address, ..access }
}

fn assert_proposed(diagnosis: &Diagnosis, proposed: &str) {
    assert_eq!(cause(diagnosis), ("api", "woocommerce.address_deeper"));
    let evidence = &diagnosis.cause().unwrap().evidence;
    let words = format!("the store's own address {proposed}: enter");
    assert!(evidence.contains(&words), "{evidence}");
}

fn with_home(home: Option<&str>) -> StoreSpec {
    StoreSpec {
        home: home.map(str::to_owned),
        ..StoreSpec::named("shop")
    }
}

#[tokio::test]
async fn a_page_of_the_store_is_told_with_the_address_that_works() {
    // At the root, in a folder, and one that calls itself by another name than it is called by.
    for (home, folder) in [
        (None, ""),
        (Some("/winkel"), "/winkel"),
        (Some("https://www.shop.example/winkel"), "/winkel"),
    ] {
        let (_simulators, store) = store(with_home(home)).await;
        let own = format!("http://{}{folder}", store.address());
        for page in PAGES {
            let access = at(unverified(&store), &format!("{own}{page}"));
            assert_proposed(&verify(&access).await, &own);
        }
        for right in [own.clone(), format!("{own}/")] {
            let diagnosis = verify(&at(unverified(&store), &right)).await;
            let code = diagnosis.cause().and_then(|check| check.code.as_deref());
            assert_ne!(code, Some("woocommerce.address_deeper"), "{right}");
        }
    }
}

#[tokio::test]
async fn plain_permalinks_are_told_when_the_address_is_right_and_only_then() {
    for folder in ["", "/winkel"] {
        let spec = StoreSpec {
            faults: vec![Fault {
                on: FaultMatch::default(),
                effect: FaultEffect::PlainPermalinks,
            }],
            ..with_home(Some(folder).filter(|folder| !folder.is_empty()))
        };
        let (_simulators, store) = store(spec).await;
        let own = format!("http://{}{folder}", store.address());
        for page in PAGES {
            let access = at(unverified(&store), &format!("{own}{page}"));
            assert_proposed(&verify(&access).await, &own);
        }
        let diagnosis = verify(&at(unverified(&store), &own)).await;
        assert_eq!(cause(&diagnosis), ("api", "woocommerce.permalinks_plain"));
    }
}

/// The recorded index of a store at the root, which gives this address for its interface.
fn index(link: &str) -> Reply {
    let link = format!("<{link}>; rel=\"https://api.w.org/\"");
    load("01-index-fields").reply().with("Link", &link)
}

#[tokio::test]
async fn what_wordpress_does_not_answer_itself_is_asked_of_the_address_above() {
    // The dashboard sends everybody to its login and answers no ?rest_route=.
    let rig = Rig::https(|asked| match asked.path.as_str() {
        "/" => index("https://x.example/wp-json/"),
        path if path.starts_with("/wp-admin/") && !path.contains("wp-json") => {
            Reply::html(302, "").with("Location", "/wp-login.php")
        }
        _ => recorded("180-env-no-rewrite"),
    })
    .await;
    let own = rig.address().as_str().trim_end_matches('/').to_owned();
    let diagnosis = verify(&at(rig.access(), &format!("{own}/wp-admin"))).await;
    assert_proposed(&diagnosis, &own);
    assert!(
        rig.asked().iter().all(|asked| asked.auth() == "none"),
        "no key is sent to find out"
    );
}

#[tokio::test]
async fn an_index_below_another_file_counts_by_what_the_store_gives_as_its_interface() {
    let answering = |link: &'static str| {
        move |asked: &Asked| match asked.call() {
            "" if asked.path.ends_with("/wp-json/") => index(link),
            _ => healthy(asked),
        }
    };
    let rig = Rig::https(answering("https://x.example/wp-json/")).await;
    let own = rig.address().as_str().trim_end_matches('/').to_owned();
    let diagnosis = verify(&at(rig.access(), &format!("{own}/index.php"))).await;
    assert_proposed(&diagnosis, &own);

    // Permalinks that begin with index.php: the interface lives there and nowhere else.
    let rig = Rig::https(answering("https://x.example/index.php/wp-json/")).await;
    let address = format!("{}index.php", rig.address());
    let diagnosis = verify(&at(rig.access(), &address)).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
}

#[tokio::test]
async fn an_address_that_proves_nothing_is_not_proposed() {
    // A WordPress without WooCommerce lives at the root; nothing in the folder.
    let blog = load("01-index-fields").response().body.clone();
    let blog = blog.replace("wc\\/v3", "wc\\/v2");
    let rig = Rig::https(move |asked| match asked.path.as_str() {
        "/" => Reply::json(200, blog.clone()),
        _ => recorded("180-env-no-rewrite"),
    })
    .await;
    let diagnosis = verify(&at(rig.access(), &format!("{}shop", rig.address()))).await;
    assert_eq!(cause(&diagnosis), ("api", "woocommerce.api_not_found"));

    // A proxy shows the store under a folder that the store does not know of; nothing at the root.
    let rig = Rig::https(|asked| match asked.path.strip_prefix("/shop/") {
        Some(_) => healthy(asked),
        None => recorded("180-env-no-rewrite"),
    })
    .await;
    let diagnosis = verify(&at(rig.access(), &format!("{}shop", rig.address()))).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
}

#[tokio::test]
async fn json_of_another_program_is_no_store() {
    for body in [
        r#"{"error":"not found"}"#,
        r#"{"code":"not_found","error":"not found"}"#,
        r#"{"code":"not_found","message":"No such page"}"#,
        r#"{"code":"not_found","message":""}"#,
        r#"["not found"]"#,
    ] {
        let rig = Rig::https(move |_| Reply::json(404, body)).await;
        for path in ["", "api/v1"] {
            let access = at(rig.access(), &format!("{}{path}", rig.address()));
            let diagnosis = verify(&access).await;
            assert_eq!(
                cause(&diagnosis),
                ("api", "woocommerce.api_not_found"),
                "{body}"
            );
            let evidence = &diagnosis.cause().unwrap().evidence;
            assert!(evidence.contains("status 404"), "{evidence}");
            assert!(evidence.contains("not"), "{evidence}");
        }
    }
}
