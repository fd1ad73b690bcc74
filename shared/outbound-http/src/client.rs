//! The client itself: one guarded exchange per call, never a second try.

mod failure;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::redirect;
use time::OffsetDateTime;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::address::{CheckedResolver, Lookup, Reach, SystemLookup, check_url};
use crate::error::TransportError;
use crate::policy::{OutboundPolicy, PolicyError};
use crate::request::Request;
use crate::response::Response;
use crate::send_check::CheckedBody;
use crate::tls;
use failure::Stage;

/// Shorter than the five seconds after which common web servers drop an idle connection: a
/// request sent on a connection that is just being dropped has an unknown outcome.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);
/// No lane calls one store with more in parallel.
const IDLE_CONNECTIONS_PER_HOST: usize = 8;
const USER_AGENT: &str = concat!("Storelink/", env!("CARGO_PKG_VERSION"));

/// The outgoing client. A clone shares its connections.
#[derive(Clone)]
pub struct HttpClient {
    http: reqwest::Client,
    /// For ports that only the operator's own subnets may be called on. A client of its own, so that
    /// neither the judgement of a name nor an open connection serves the other purpose.
    own_subnets: reqwest::Client,
    policy: Arc<OutboundPolicy>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpClient")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client that looks names up by the operating system.
    ///
    /// # Errors
    /// When the additional CA certificates are unusable.
    pub fn new(policy: OutboundPolicy) -> Result<Self, PolicyError> {
        Self::with_lookup(policy, Arc::new(SystemLookup))
    }

    /// A client with its own name lookup, for tests.
    ///
    /// # Errors
    /// When the additional CA certificates are unusable.
    pub fn with_lookup(
        policy: OutboundPolicy,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, PolicyError> {
        let policy = Arc::new(policy);
        Ok(Self {
            http: build(&policy, &lookup, Reach::Allowed)?,
            own_subnets: build(&policy, &lookup, Reach::OwnSubnets)?,
            policy,
        })
    }

    /// What the client may do.
    #[must_use]
    pub fn policy(&self) -> &OutboundPolicy {
        &self.policy
    }

    /// Judges an address as far as possible without a lookup, for an immediate answer when a
    /// person enters one.
    ///
    /// # Errors
    /// The same as [`HttpClient::send`] would give.
    pub fn check(&self, url: &url::Url) -> Result<(), TransportError> {
        check_url(url, &self.policy).map(|_| ())
    }

    /// Sends a request once and reads the whole answer. Any status is an answer, redirects too.
    ///
    /// # Errors
    /// When there is no whole answer; see [`TransportError::outcome_unknown`] for writes.
    pub async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let span = tracing::info_span!(
            "http.client",
            otel.kind = "client",
            http.request.method = %request.method,
            server.address = request.url.host_str().unwrap_or_default(),
            server.port = request.url.port_or_known_default(),
            http.response.status_code = Empty,
            http.response.body.size = Empty,
            duration_ms = Empty,
            error.type = Empty,
        );
        let started = Instant::now();
        let outcome = self
            .exchange(request, started)
            .instrument(span.clone())
            .await;
        span.record("duration_ms", millis(started.elapsed()));
        match &outcome {
            Ok(response) => {
                span.record("http.response.status_code", response.status.as_u16());
                span.record("http.response.body.size", response.body.len());
            }
            Err(error) => {
                span.record("error.type", error.code());
            }
        }
        outcome
    }

    async fn exchange(
        &self,
        request: Request,
        started: Instant,
    ) -> Result<Response, TransportError> {
        let client = match check_url(&request.url, &self.policy)? {
            Reach::Allowed => &self.http,
            Reach::OwnSubnets => &self.own_subnets,
        };
        let call = Call::of(&request, &self.policy);
        let outgoing = outgoing(client, request, call.timeout)?;
        let incoming = outgoing
            .send()
            .await
            .map_err(|error| call.failed(&error, Stage::BeforeAnswer))?;
        let received_at = OffsetDateTime::now_utc();
        let status = incoming.status();
        let headers = incoming.headers().clone();
        let body = call.read_body(incoming, &headers).await?;
        Ok(Response {
            status,
            headers,
            body,
            elapsed: started.elapsed(),
            received_at,
        })
    }
}

fn outgoing(
    client: &reqwest::Client,
    request: Request,
    timeout: Duration,
) -> Result<reqwest::RequestBuilder, TransportError> {
    let mut outgoing = client
        .request(request.method.clone(), request.full_url())
        .timeout(timeout);
    for (name, value) in request.header_pairs()? {
        outgoing = outgoing.header(name, value);
    }
    match (request.body, request.send_check) {
        (Some(body), Some(check)) if !body.is_empty() => {
            outgoing = outgoing.body(reqwest::Body::wrap(CheckedBody::new(check, body)));
        }
        (_, Some(check)) if !check.passes() => {
            let host = request.url.host_str().unwrap_or_default().to_owned();
            return Err(TransportError::Withdrawn { host });
        }
        (Some(body), _) => outgoing = outgoing.body(body),
        (None, _) => {}
    }
    Ok(outgoing)
}

fn build(
    policy: &Arc<OutboundPolicy>,
    lookup: &Arc<dyn Lookup>,
    reach: Reach,
) -> Result<reqwest::Client, PolicyError> {
    let resolver = CheckedResolver::new(Arc::clone(lookup), Arc::clone(policy), reach);
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config(policy.extra_ca_pem.as_deref())?)
        .dns_resolver(Arc::new(resolver))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .gzip(true)
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .user_agent(user_agent(policy.instance.as_deref()))
        .connect_timeout(policy.connect_timeout)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
        .build()
        .map_err(|error| PolicyError::Build {
            detail: error.to_string(),
        })
}

fn user_agent(instance: Option<&str>) -> String {
    match instance {
        Some(instance) => format!("{USER_AGENT} ({instance})"),
        None => USER_AGENT.to_owned(),
    }
}

/// What is still needed of a request once it is on its way.
struct Call {
    host: String,
    port: u16,
    timeout: Duration,
    limit: usize,
}

impl Call {
    fn of(request: &Request, policy: &OutboundPolicy) -> Self {
        Self {
            host: request.url.host_str().unwrap_or_default().to_owned(),
            port: request.url.port_or_known_default().unwrap_or_default(),
            timeout: request.timeout.min(policy.request_timeout),
            limit: request.max_response_bytes.min(policy.max_response_bytes),
        }
    }

    fn failed(&self, error: &reqwest::Error, stage: Stage) -> TransportError {
        match failure::classify(error, stage, &self.host, self.timeout) {
            TransportError::PortRefused { host, .. } => TransportError::PortRefused {
                host,
                port: self.port,
            },
            other => other,
        }
    }

    /// The limit counts what comes out of the decompression, piece by piece, so that a small
    /// answer cannot unfold into a large one.
    async fn read_body(
        &self,
        mut incoming: reqwest::Response,
        headers: &HeaderMap,
    ) -> Result<Bytes, TransportError> {
        if is_encoded(headers) {
            return Err(TransportError::BodyNotDecodable {
                host: self.host.clone(),
            });
        }
        let too_large = || TransportError::ResponseTooLarge {
            host: self.host.clone(),
            limit: self.limit,
        };
        let announced = usize::try_from(incoming.content_length().unwrap_or(0));
        if announced.is_ok_and(|length| length > self.limit) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = incoming
            .chunk()
            .await
            .map_err(|error| self.failed(&error, Stage::InBody))?
        {
            if body.len() + chunk.len() > self.limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// The HTTP stack takes the header away when it has decompressed; what is left it cannot read.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|encoding| {
        let name = encoding.as_bytes();
        !name.is_empty() && !name.eq_ignore_ascii_case(b"identity")
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
