//! TLS against a server with certificates of our own making.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use storelink_outbound_http::{
    HttpClient, Lookup, LookupFuture, OutboundPolicy, Request, Response, TransportError, Url,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::server::answer;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A TLS server for a name; the validity in years.
    async fn serve(&self, name: &str, from: i32, until: i32) -> SocketAddr {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        serve(certificate.der().clone(), key.serialize_der()).await
    }
}

async fn serve(certificate: CertificateDer<'static>, key: Vec<u8>) -> SocketAddr {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS12, &TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivatePkcs8KeyDer::from(key).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut buffer = [0_u8; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(&answer("200 OK", "", b"secure")).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

/// Every name lives on this machine.
struct Here;

impl Lookup for Here {
    fn lookup(&self, _host: &str) -> LookupFuture {
        Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) })
    }
}

async fn call(ca: Option<&str>, host: &str, port: u16) -> Result<Response, TransportError> {
    let policy = OutboundPolicy {
        extra_ca_pem: ca.map(str::to_owned),
        ..OutboundPolicy::loopback()
    };
    let client = HttpClient::with_lookup(policy, Arc::new(Here)).unwrap();
    client
        .send(Request::post(
            Url::parse(&format!("https://{host}:{port}/")).unwrap(),
        ))
        .await
}

#[tokio::test]
async fn a_certificate_of_an_added_authority_is_trusted() {
    let authority = Authority::new();
    let port = authority.serve("shop.example", 2020, 2090).await.port();
    let response = call(Some(&authority.pem), "shop.example", port)
        .await
        .unwrap();
    assert_eq!(response.body.as_ref(), b"secure");
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_told_apart() {
    let authority = Authority::new();
    let good = authority.serve("shop.example", 2020, 2090).await.port();
    let expired = authority.serve("shop.example", 2010, 2015).await.port();
    let early = authority.serve("shop.example", 2080, 2090).await.port();
    let pem = Some(authority.pem.as_str());
    for (ca, host, port, code) in [
        (None, "shop.example", good, "http.tls_unknown_issuer"),
        (pem, "www.shop.example", good, "http.tls_name_mismatch"),
        (pem, "shop.example", expired, "http.tls_expired"),
        (pem, "shop.example", early, "http.tls_not_yet_valid"),
    ] {
        let error = call(ca, host, port).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!error.outcome_unknown(), "nothing was sent: {code}");
        assert!(
            error.explanation().contains(host),
            "{}",
            error.explanation()
        );
    }
}

#[tokio::test]
async fn a_plain_server_behind_https_is_recognised() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let mut buffer = [0_u8; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = call(None, "shop.example", port).await.unwrap_err();
    assert_eq!(error.code(), "http.tls_not_spoken");
}

#[test]
fn an_unusable_authority_is_refused_at_once() {
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let policy = OutboundPolicy {
            extra_ca_pem: Some(pem.to_owned()),
            ..OutboundPolicy::default()
        };
        let error = HttpClient::new(policy).err().unwrap();
        assert_eq!(error.code(), "outbound.extra_ca_invalid", "{pem}");
    }
}
