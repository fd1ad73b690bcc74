//! No request reaches an address that is not allowed, whatever the name service says.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use storelink_outbound_http::{
    HttpClient, Lookup, LookupFuture, OutboundPolicy, PortRule, Refusal, Request, TransportError,
    Url,
};

use crate::server::{Behaviour, Server, answer};

/// Answers each lookup of a name with the next list of its script; the last one stays.
#[derive(Default)]
struct Scripted {
    answers: HashMap<&'static str, Vec<Vec<&'static str>>>,
    asked: Mutex<HashMap<String, usize>>,
    lookups: AtomicUsize,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = (&'static str, Vec<Vec<&'static str>>)>) -> Arc<Self> {
        Arc::new(Self {
            answers: answers.into_iter().collect(),
            ..Self::default()
        })
    }
}

impl Lookup for Scripted {
    fn lookup(&self, host: &str) -> LookupFuture {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let turn = {
            let mut asked = self.asked.lock().unwrap();
            let turn = asked.entry(host.to_owned()).or_insert(0);
            *turn += 1;
            *turn - 1
        };
        let answer: io::Result<Vec<IpAddr>> = match self.answers.get(host) {
            Some(script) => Ok(script[turn.min(script.len() - 1)]
                .iter()
                .map(|text| text.parse().unwrap())
                .collect()),
            None => Err(io::Error::other("no such name")),
        };
        Box::pin(async move { answer })
    }
}

struct Silent;

impl Lookup for Silent {
    fn lookup(&self, _host: &str) -> LookupFuture {
        Box::pin(std::future::pending())
    }
}

/// The "public" store lives on 127.0.0.2; every other address of this machine is a canary.
fn policy() -> OutboundPolicy {
    OutboundPolicy {
        ports: PortRule::Any,
        ..OutboundPolicy::default()
    }
    .allow_subnets(["127.0.0.2/32"])
    .unwrap()
}

async fn ok_server(ip: &str) -> Server {
    Server::start_on(
        ip,
        Behaviour::Answer(answer("200 OK", "Connection: close\r\n", b"hello")),
    )
    .await
}

fn get(host: &str, port: u16) -> Request {
    Request::get(Url::parse(&format!("http://{host}:{port}/")).unwrap())
}

fn refusal(error: &TransportError) -> Refusal {
    match error {
        TransportError::AddressRefused { why, .. } => *why,
        other => panic!("not refused but {other:?}"),
    }
}

#[tokio::test]
async fn a_name_is_called_at_exactly_the_looked_up_address() {
    let store = ok_server("127.0.0.2").await;
    let lookup = Scripted::new([("shop.example", vec![vec!["127.0.0.2"]])]);
    let client = HttpClient::with_lookup(policy(), Arc::clone(&lookup) as Arc<dyn Lookup>).unwrap();
    let response = client
        .send(get("shop.example", store.address.port()))
        .await
        .unwrap();
    assert_eq!(response.body.as_ref(), b"hello");
    assert_eq!(lookup.lookups.load(Ordering::SeqCst), 1);
    let host = format!("host: shop.example:{}", store.address.port());
    assert!(
        store.requests()[0].contains(&host),
        "{:?}",
        store.requests()
    );
}

#[tokio::test]
async fn a_name_that_turns_inwards_later_is_refused_on_the_next_connection() {
    let store = ok_server("127.0.0.2").await;
    let canary = Server::start_on("127.0.0.3", Behaviour::Answer(Vec::new())).await;
    let lookup = Scripted::new([(
        "rebind.example",
        vec![vec!["127.0.0.2"], vec!["127.0.0.3"], vec!["127.0.0.2"]],
    )]);
    let client = HttpClient::with_lookup(policy(), lookup).unwrap();
    let request = || get("rebind.example", store.address.port());
    assert!(client.send(request()).await.is_ok());
    let error = client.send(request()).await.unwrap_err();
    assert_eq!(refusal(&error), Refusal::Loopback);
    assert!(client.send(request()).await.is_ok());

    let towards_canary = get("rebind.example", canary.address.port());
    // 127.0.0.2 has no listener on the canary's port, and the canary hears nothing of it.
    assert_eq!(
        client.send(towards_canary).await.unwrap_err().code(),
        "http.connect_refused"
    );
    assert_eq!(canary.connections(), 0);
    assert_eq!(store.connections(), 2);
}

#[tokio::test]
async fn one_inner_address_among_many_answers_refuses_them_all() {
    let store = ok_server("127.0.0.2").await;
    let mixed = [
        ("first.example", vec![vec!["127.0.0.3", "127.0.0.2"]]),
        (
            "last.example",
            vec![vec!["127.0.0.2", "127.0.0.2", "10.0.0.1"]],
        ),
        (
            "mapped.example",
            vec![vec!["127.0.0.2", "::ffff:127.0.0.1"]],
        ),
        (
            "nat64.example",
            vec![vec!["127.0.0.2", "64:ff9b::a9fe:a9fe"]],
        ),
    ];
    let client = HttpClient::with_lookup(policy(), Scripted::new(mixed)).unwrap();
    for (host, why) in [
        ("first.example", Refusal::Loopback),
        ("last.example", Refusal::Private),
        ("mapped.example", Refusal::Loopback),
        ("nat64.example", Refusal::LinkLocal),
    ] {
        let error = client
            .send(get(host, store.address.port()))
            .await
            .unwrap_err();
        assert_eq!(refusal(&error), why, "{host}");
        assert_eq!(error.code(), "http.address_refused");
        assert!(!error.outcome_unknown());
        assert!(error.explanation().contains(host) && error.remedy().contains("subnet"));
    }
    assert_eq!(store.connections(), 0);
}

#[tokio::test]
async fn literals_are_judged_although_no_lookup_sees_them() {
    let canary = Server::start_on("127.0.0.3", Behaviour::Answer(Vec::new())).await;
    let lookup = Scripted::new([]);
    let client = HttpClient::with_lookup(policy(), Arc::clone(&lookup) as Arc<dyn Lookup>).unwrap();
    let port = canary.address.port();
    for host in [
        "127.0.0.3",
        "127.3",
        "0x7f.3",
        "2130706435",
        "[::ffff:127.0.0.3]",
        "[::7f00:3]",
    ] {
        let error = client.send(get(host, port)).await.unwrap_err();
        assert_eq!(error.code(), "http.address_refused", "{host}");
    }
    assert_eq!(canary.connections(), 0);
    assert_eq!(lookup.lookups.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn redirects_come_back_as_answers_and_are_not_followed() {
    let canary = Server::start_on("127.0.0.2", Behaviour::Answer(Vec::new())).await;
    let location = format!("Location: {}\r\n", canary.url("/inner"));
    let store = Server::start_on(
        "127.0.0.2",
        Behaviour::Answer(answer("302 Found", &location, b"")),
    )
    .await;
    let client = HttpClient::new(policy()).unwrap();
    let response = client.send(Request::get(store.url("/"))).await.unwrap();
    assert_eq!(response.status.as_u16(), 302);
    assert_eq!(
        response.header("Location"),
        Some(canary.url("/inner").as_str())
    );
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn lookup_failures_have_their_own_classes() {
    let lookup = Scripted::new([("empty.example", vec![vec![]])]);
    let client = HttpClient::with_lookup(policy(), lookup).unwrap();
    for host in ["unknown.example", "empty.example"] {
        let error = client.send(get(host, 80)).await.unwrap_err();
        assert_eq!(
            error,
            TransportError::Dns {
                host: host.to_owned()
            }
        );
        assert_eq!(error.code(), "http.dns");
    }
    let quick = OutboundPolicy {
        connect_timeout: Duration::from_millis(200),
        ..policy()
    };
    let client = HttpClient::with_lookup(quick, Arc::new(Silent)).unwrap();
    let error = client.send(get("slow.example", 80)).await.unwrap_err();
    assert_eq!(error.code(), "http.dns_timeout");
    assert!(!error.outcome_unknown() && error.may_pass());
}

/// A shop in the operator's own network, called by its name in that network.
#[tokio::test]
async fn a_name_inside_an_allowed_subnet_is_free_of_the_port_rule() {
    let store = ok_server("127.0.0.2").await;
    let port = store.address.port();
    let lookup = Scripted::new([
        ("wordpress", vec![vec!["127.0.0.2"]]),
        ("public.example", vec![vec!["93.184.216.34"]]),
        ("both.example", vec![vec!["127.0.0.2", "93.184.216.34"]]),
        ("private.example", vec![vec!["127.0.0.3"]]),
    ]);
    let policy = OutboundPolicy::default()
        .allow_subnets(["127.0.0.2/32"])
        .unwrap();
    let client = HttpClient::with_lookup(policy, lookup).unwrap();
    let response = client.send(get("wordpress", port)).await.unwrap();
    assert_eq!(response.body.as_ref(), b"hello");
    for outside in ["public.example", "both.example"] {
        let refused = client.send(get(outside, port)).await.unwrap_err();
        let expected = TransportError::PortRefused {
            host: outside.to_owned(),
            port,
        };
        assert_eq!(refused, expected);
    }
    let refused = client.send(get("private.example", port)).await.unwrap_err();
    assert_eq!(refusal(&refused), Refusal::Loopback);
}

#[tokio::test]
async fn without_an_allowed_subnet_a_port_is_refused_before_any_lookup() {
    let lookup = Scripted::new([("shop.example", vec![vec!["93.184.216.34"]])]);
    let counted = Arc::clone(&lookup) as Arc<dyn Lookup>;
    let client = HttpClient::with_lookup(OutboundPolicy::default(), counted).unwrap();
    let refused = client.send(get("shop.example", 8081)).await.unwrap_err();
    assert_eq!(refused.code(), "http.port_refused");
    assert_eq!(lookup.lookups.load(Ordering::SeqCst), 0);
}
