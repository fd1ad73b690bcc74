//! Answers that are none, or too much: named, in bounded memory, and never taken for a page.

use storelink_adapter_api::{AdapterError, OrderWindow, ProductWindow, StoreAdapter};
use storelink_adapter_woocommerce::WooCommerce;
use storelink_model::Timestamp;

use crate::recording::load;
use crate::rig::{Reply, Rig, SECRET};

/// What a process may take in all.
const MEMORY_KIB: u64 = 256 * 1024;

async fn asked(body: Vec<u8>) -> (Result<usize, AdapterError>, Result<usize, AdapterError>) {
    let rig = Rig::http(move |_| {
        let mut reply = Reply::json(200, "");
        reply.body.clone_from(&body);
        reply
    })
    .await;
    let (adapter, access) = (WooCommerce::new(), rig.access());
    let window = OrderWindow {
        modified_since: Timestamp::from_micros(0),
        page_limit: None,
    };
    let orders = adapter.read_orders(&access, &window, None).await;
    let window = ProductWindow {
        modified_since: None,
    };
    let products = adapter.read_products(&access, &window, None).await;
    (
        orders.map(|page| page.orders.len()),
        products.map(|page| page.products.len()),
    )
}

fn most_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error_and_never_an_empty_page() {
    let order = load("71-order-full-taxed-shipping").response().body.clone();
    let page = format!("[{order}]");
    let latin: Vec<u8> = page.replace("26.32", "26.3\u{1}").bytes().collect();
    let latin = latin
        .iter()
        .map(|b| if *b == 1 { 0xe8 } else { *b })
        .collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("null", b"null".to_vec()),
        ("a number", b"7".to_vec()),
        ("a text", b"\"orders\"".to_vec()),
        ("an object", b"{}".to_vec()),
        ("HTML", b"<!doctype html><html><body>Maintenance</body></html>".to_vec()),
        ("a bot wall", b"<html><head><title>Just a moment...</title></head></html>".to_vec()),
        ("cut in the middle", page.as_bytes()[..page.len() / 2].to_vec()),
        ("cut before the end", page.as_bytes()[..page.len() - 1].to_vec()),
        ("Latin-2", latin),
        ("not a number", page.replace("\"26.32\"", "NaN").into_bytes()),
        ("XML with an entity", b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>".to_vec()),
        ("deep", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes()),
        ("one long text", format!("[\"{}\"]", "x".repeat(17 * 1024 * 1024)).into_bytes()),
        ("masses of values", format!("[{}{{}}]", "{},".repeat(5_000_000)).into_bytes()),
        ("masses of members", format!("[{{{}\"z\":1}}]", "\"a\":1,".repeat(2_000_000)).into_bytes()),
    ];
    for (what, body) in cases {
        let (orders, products) = asked(body).await;
        for read in [orders, products] {
            let error = read.expect_err(what);
            assert!(error.code.contains('.'), "{what}: {error:?}");
            let text = error.to_string();
            assert!(
                text.len() < 4_000 && !text.contains(SECRET),
                "{what}: {text}"
            );
            assert!(!text.contains("root:"), "{what}: {text}");
        }
    }
    let most = most_memory_kib();
    assert!(most < MEMORY_KIB, "{most} KiB");
}

#[tokio::test]
async fn odd_numbers_and_members_stop_their_order_alone() {
    let order = load("71-order-full-taxed-shipping").response().body.clone();
    for (what, from, to) in [
        ("beyond every number", "\"26.32\"", "1e400"),
        (
            "finer than any money",
            "\"26.32\"",
            "26.320000000000000000000000000000000000001",
        ),
        ("a total as a number", "\"26.32\"", "26.32"),
        (
            "an id beyond 2^53",
            "{\"id\":90,",
            "{\"id\":9007199254740993,",
        ),
        (
            "an id beyond 64 bits",
            "{\"id\":90,",
            "{\"id\":99999999999999999999,",
        ),
        ("an id as a text", "{\"id\":90,", "{\"id\":\"90\","),
        ("a member twice", "{\"id\":90,", "{\"id\":90,\"id\":91,"),
    ] {
        let changed = order.replacen(from, to, 1);
        assert_ne!(changed, order, "{what}");
        let other = order.replacen("{\"id\":90,", "{\"id\":92,", 1);
        let body = format!("[{changed},{other}]").into_bytes();
        let (orders, _) = asked(body).await;
        match orders {
            // The one that is odd is there, read exactly or with its reason.
            Ok(read) => assert_eq!(read, 2, "{what}"),
            Err(error) => assert!(error.code.starts_with("woocommerce."), "{what}: {error:?}"),
        }
    }
}
