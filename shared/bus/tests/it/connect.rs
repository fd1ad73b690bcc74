use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use storelink_bus::{Bus, BusOptions, ConnectError, Credentials};
use storelink_test_support::broker::{BrokerOptions, TestBroker};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{connected, eventually, messages, publish};

#[tokio::test]
async fn a_missing_server_gives_one_line_with_the_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://user:hunter2@{}", listener.local_addr().unwrap());
    drop(listener);
    let started = Instant::now();
    let error = Bus::connect(&BusOptions::new(&url, "test"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "bus.unreachable");
    let line = error.to_string();
    assert!(
        line.starts_with("no NATS server answers at nats://127.0.0.1:"),
        "{line}"
    );
    assert!(
        line.contains("start one or set STORELINK_NATS__URL"),
        "{line}"
    );
    assert!(!line.contains("hunter2") && !line.contains('\n'), "{line}");
    assert!(started.elapsed() < Duration::from_secs(7));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = BusOptions::new(format!("nats://{}", listener.local_addr().unwrap()), "test");
    options.connect_timeout = Duration::from_millis(300);
    let started = Instant::now();
    let error = Bus::connect(&options).await.unwrap_err();
    assert_eq!(error.code(), "bus.unreachable");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

/// Speaks as much of the protocol as a client needs to count as connected.
async fn answer_as_old_server(stream: TcpStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let info = r#"{"server_id":"OLD","version":"2.9.10","proto":1,"max_payload":1048576,"headers":true,"jetstream":true}"#;
    writer
        .write_all(format!("INFO {info}\r\n").as_bytes())
        .await?;
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        if line.starts_with("PING") {
            writer.write_all(b"PONG\r\n").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_old_server_is_refused_with_both_versions() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_as_old_server(stream));
        }
    });
    let error = Bus::connect(&BusOptions::new(url, "test"))
        .await
        .unwrap_err();
    server.abort();
    assert_eq!(error.code(), "bus.server_too_old");
    assert!(
        error
            .to_string()
            .starts_with("nats-server 2.9.10 is too old: Storelink needs 2.12 or newer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_without_jetstream_is_named() {
    let options = BrokerOptions {
        jetstream: false,
        ..BrokerOptions::default()
    };
    let broker = TestBroker::start_with(options).await.unwrap();
    let error = Bus::connect(&BusOptions::new(broker.url(), "test"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::JetStreamOff { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn wrong_and_missing_credentials_are_named() {
    let broker = TestBroker::start_with(BrokerOptions {
        extra_config: "authorization { user: role, password: right }\n".to_owned(),
        ..BrokerOptions::default()
    })
    .await
    .unwrap();
    let with = |credentials| {
        let mut options = BusOptions::new(broker.url(), "test");
        options.credentials = credentials;
        options
    };
    let password = |password: &str| Credentials::UserPassword {
        user: "role".to_owned(),
        password: password.to_owned().into(),
    };
    for options in [with(Credentials::None), with(password("wrong"))] {
        let error = Bus::connect(&options).await.unwrap_err();
        assert_eq!(error.code(), "bus.wrong_credentials", "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
    assert!(Bus::connect(&with(password("right"))).await.is_ok());
}

#[tokio::test]
async fn an_address_that_is_none_is_a_settings_error() {
    let error = Bus::connect(&BusOptions::new("not an address", "test"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "bus.settings");
}

#[tokio::test]
async fn a_lost_connection_comes_back_and_drain_ends_it() {
    let (mut broker, bus) = connected().await;
    storelink_bus::streams::apply(&bus, bus.options().sizing)
        .await
        .unwrap();
    assert!(bus.is_connected());
    broker.kill().await.unwrap();
    eventually("disconnected", || async { !bus.is_connected() }).await;
    broker.restart().await.unwrap();
    publish(&bus, "hub.t1.product.seen", "{}").await;
    assert!(bus.is_connected());
    assert_eq!(messages(&bus, "HUB").await, 1);
    assert!(bus.server_version().starts_with("2."));

    bus.drain(Duration::from_secs(5)).await.unwrap();
    assert!(!bus.is_connected());
}

#[tokio::test]
async fn a_certificate_authority_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let no_pem = folder.path().join("ca.pem");
    std::fs::write(&no_pem, "not a certificate").unwrap();
    for file in [no_pem, folder.path().join("missing.pem")] {
        let mut options = BusOptions::new("tls://127.0.0.1:1", "test");
        options.ca_file = Some(file.clone());
        let error = Bus::connect(&options).await.unwrap_err();
        assert_eq!(error.code(), "bus.settings");
        assert!(
            error.to_string().contains(&*file.to_string_lossy()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_broker_with_a_certificate_of_a_private_authority_is_trusted_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let ca = file(
        "ca.pem",
        authority.self_signed(&authority_key).unwrap().pem(),
    );
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = file("server.pem", server.signed_by(&key, &issuer).unwrap().pem());
    let key = file("server.key", key.serialize_pem());
    // Clients without TLS are taken too, so that the test support can ask whether it is up.
    let broker = TestBroker::start_with(BrokerOptions {
        extra_config: format!(
            "tls {{ cert_file: {certificate:?}, key_file: {key:?} }}\nallow_non_tls: true\n"
        ),
        ..BrokerOptions::default()
    })
    .await
    .unwrap();

    let mut options = BusOptions::new(broker.url(), "test");
    options.ca_file = Some(ca);
    let bus = Bus::connect(&options).await.unwrap();
    assert!(bus.is_connected());

    let other_key = KeyPair::generate().unwrap();
    let mut other = CertificateParams::new(Vec::new()).unwrap();
    other.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    options.ca_file = Some(file(
        "other.pem",
        other.self_signed(&other_key).unwrap().pem(),
    ));
    assert!(Bus::connect(&options).await.is_err());
}
