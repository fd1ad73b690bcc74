//! A small web server that answers by a function, over plain http or TLS, and access to it as a
//! connection would have it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use storelink_adapter_api::{CapabilityProfile, Credentials, OpenGate, StoreAccess};
use storelink_model::ConnectionId;
use storelink_outbound_http::{HttpClient, OutboundPolicy, Url};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};

pub(crate) const KEY: &str = "ck_ba1659a41cbea88a70e73c6ecd6983b472555542";
pub(crate) const SECRET: &str = "cs_23721526e7dc6581af2458172418432a628a301b";

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let url = Url::parse(&format!("http://x/?{}", self.query)).unwrap();
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// How the request proves who sent it.
    pub(crate) fn auth(&self) -> &'static str {
        if self
            .header("authorization")
            .is_some_and(|value| value.starts_with("Basic "))
        {
            "basic"
        } else if self.parameter("consumer_secret").is_some() {
            "query"
        } else if self.parameter("oauth_signature").is_some() {
            "oauth1"
        } else {
            "none"
        }
    }

    /// The path below `wp-json/wc/v3/`.
    pub(crate) fn call(&self) -> &str {
        self.path
            .split("/wp-json/wc/v3/")
            .nth(1)
            .unwrap_or_default()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![(
            "Content-Type".into(),
            "application/json; charset=UTF-8".into(),
        )];
        Self {
            status,
            headers,
            body: body.into().into_bytes(),
        }
    }

    pub(crate) fn html(status: u16, body: &str) -> Self {
        let headers = vec![("Content-Type".into(), "text/html".into())];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers
            .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }
}

type Handler = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// A running server.
pub(crate) struct Rig {
    address: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Authority {
    pem: String,
    config: Arc<ServerConfig>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> =
        certificate.signed_by(&key, &issuer).unwrap().der().clone();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS12, &TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    Authority {
        pem,
        config: Arc::new(config),
    }
});

impl Rig {
    pub(crate) async fn http(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(handler), false).await
    }

    pub(crate) async fn https(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(handler), true).await
    }

    async fn start(handler: Handler, tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                tokio::spawn(async move {
                    if tls {
                        let acceptor = TlsAcceptor::from(Arc::clone(&AUTHORITY.config));
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, &handler, &seen).await;
                        }
                    } else {
                        serve(stream, &handler, &seen).await;
                    }
                });
            }
        });
        let scheme = if tls { "https" } else { "http" };
        let address = Url::parse(&format!("{scheme}://127.0.0.1:{port}")).unwrap();
        Self {
            address,
            asked,
            task,
        }
    }

    pub(crate) fn address(&self) -> &Url {
        &self.address
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn access(&self) -> StoreAccess {
        access(self.address.clone(), OutboundPolicy::loopback())
    }
}

/// Access to a store; the profile is that of the recorded store N.
pub(crate) fn access(address: Url, policy: OutboundPolicy) -> StoreAccess {
    let policy = OutboundPolicy {
        extra_ca_pem: Some(AUTHORITY.pem.clone()),
        ..policy
    };
    let mut credentials = Credentials::default();
    credentials.set("consumer_key", KEY.into());
    credentials.set("consumer_secret", SECRET.into());
    let profile = CapabilityProfile {
        currency: Some("EUR".parse().unwrap()),
        currency_digits: Some(2),
        prices_include_tax: Some(false),
        ..CapabilityProfile::default()
    };
    StoreAccess {
        connection: ConnectionId::generate(),
        address,
        credentials: Arc::new(credentials),
        profile: Arc::new(profile),
        options: Arc::new(BTreeMap::new()),
        http: HttpClient::new(policy).unwrap(),
        gate: Arc::new(OpenGate),
    }
}

/// The same access with an option of the descriptor set.
pub(crate) fn with_option(mut access: StoreAccess, name: &str, value: Value) -> StoreAccess {
    access.options = Arc::new(BTreeMap::from([(name.to_owned(), value)]));
    access
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    handler: &Handler,
    seen: &Mutex<Vec<Asked>>,
) {
    let Some(asked) = read_request(&mut stream).await else {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        return;
    };
    let reply = handler(&asked);
    seen.lock().unwrap().push(asked);
    let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
    let now = storelink_model::Timestamp::now().datetime();
    let dated = reply
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("date"));
    if !dated {
        head.push_str(&format!("Date: {}\r\n", http_date(now)));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!(
        "Content-Length: {}\r\nConnection: close\r\n\r\n",
        reply.body.len()
    ));
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&reply.body).await;
    let _ = stream.shutdown().await;
}

pub(crate) fn http_date(at: time::OffsetDateTime) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    at.format(format).unwrap()
}

/// The first byte of a client that speaks TLS to a plain server.
const TLS_HANDSHAKE: u8 = 0x16;

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        let mut piece = [0_u8; 8192];
        let count = stream.read(&mut piece).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&piece[..count]);
        if bytes.first() == Some(&TLS_HANDSHAKE) {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < head_end + length {
        let mut piece = [0_u8; 8192];
        let count = stream.read(&mut piece).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&piece[..count]);
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: String::from_utf8_lossy(&bytes[head_end..]).into_owned(),
    })
}
