use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use storelink_model::{ConnectionId, Currency};
use storelink_outbound_http::{Effect, HttpClient, Request, Response, SendCheck, TransportError};
use url::Url;

use crate::{AdapterError, ErrorClass};

/// The secret and non-secret keys of a connection by field name of the descriptor. Debug shows names
/// only.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, SecretString>);

impl Credentials {
    /// The value of a field; empty fields count as missing.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&SecretString> {
        self.0
            .get(field)
            .filter(|value| !value.expose_secret().is_empty())
    }

    /// Sets a field.
    pub fn set(&mut self, field: impl Into<String>, value: SecretString) {
        self.0.insert(field.into(), value);
    }

    /// The names of the fields that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Reads what [`Credentials::to_sealable`] wrote.
    ///
    /// # Errors
    /// When the bytes are not a JSON object of strings; the message holds no value.
    pub fn from_sealable(bytes: &[u8]) -> Result<Self, &'static str> {
        let plain: BTreeMap<String, String> = serde_json::from_slice(bytes)
            .map_err(|_| "credentials are not an object of strings")?;
        Ok(Self(
            plain
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
        ))
    }

    /// The plain JSON form, for the vault alone.
    #[must_use]
    pub fn to_sealable(&self) -> SecretString {
        let plain: BTreeMap<&str, &str> = self
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        serde_json::to_string(&plain).unwrap_or_default().into()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// What verification found out about a store. Adapters read it instead of guessing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CapabilityProfile {
    /// Version of the platform, as the store states it.
    pub version: Option<String>,
    /// The store's own spelling of its address.
    pub home: Option<String>,
    /// The store's time zone: IANA name or offset.
    pub time_zone: Option<String>,
    /// The store's currency.
    pub currency: Option<Currency>,
    /// Fraction digits that the store rounds amounts to.
    pub currency_digits: Option<u32>,
    /// Whether prices are kept with tax (gross) or without (net).
    pub prices_include_tax: Option<bool>,
    /// The store's clock minus ours at verification, in seconds.
    pub clock_difference_seconds: Option<i64>,
    /// What only the platform's adapter understands, for example how to authenticate.
    pub facts: BTreeMap<String, serde_json::Value>,
}

impl CapabilityProfile {
    /// A fact that only the adapter understands, when it is a text.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).and_then(serde_json::Value::as_str)
    }

    /// Whether a fact is set to true.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.facts.get(name).and_then(serde_json::Value::as_bool) == Some(true)
    }
}

/// Why a request is sent; the gate lets the more urgent go first: the order here is the order of
/// urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Verifying: a person waits for it.
    Verify,
    /// Reading orders.
    Orders,
    /// Writing stock or prices.
    Write,
    /// Reading products.
    Catalogue,
}

/// The right to send one request. Dropping it gives the place back.
pub struct Permit {
    _place: Option<Box<dyn Send + Sync>>,
    check: Option<SendCheck>,
}

impl Permit {
    /// A permit that holds something until the answer is there.
    #[must_use]
    pub fn holding(place: impl Send + Sync + 'static) -> Self {
        Self {
            _place: Some(Box::new(place)),
            check: None,
        }
    }

    /// A permit that holds nothing.
    #[must_use]
    pub fn free() -> Self {
        Self {
            _place: None,
            check: None,
        }
    }

    /// The same permit, good only as long as `check` says so: it is asked once more when the first
    /// byte of a write is about to leave, because looking a name up and connecting take time, and a
    /// process that stands still meanwhile does not notice.
    #[must_use]
    pub fn good_while(mut self, check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.check = Some(SendCheck::new(check));
        self
    }

    /// Whether the request may still leave.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.check.as_ref().is_none_or(SendCheck::passes)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// Why a request may not be sent now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// This process no longer owns the work: somebody else may be doing it.
    #[error("the work belongs to another process")]
    NotOwner,
    /// The connection was paused, deleted or changed meanwhile.
    #[error("the connection is paused or was changed")]
    Stopped,
    /// Too many other requests wait for the store: come back later.
    #[error("too many other requests wait for the store")]
    Busy,
}

/// Decides when a request to a store may leave: concurrency, requests per minute, ownership. Asked
/// immediately before every request.
#[async_trait]
pub trait RequestGate: Send + Sync {
    /// Waits for a place.
    async fn admit(&self, purpose: Purpose) -> Result<Permit, Denied>;

    /// Learns how the request ended: the status (none when no answer came) and how long it took.
    fn observe(&self, status: Option<u16>, elapsed: std::time::Duration);
}

/// A gate that lets everything through: for verification and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

#[async_trait]
impl RequestGate for OpenGate {
    async fn admit(&self, _: Purpose) -> Result<Permit, Denied> {
        Ok(Permit::free())
    }

    fn observe(&self, _: Option<u16>, _: std::time::Duration) {}
}

/// Everything an adapter needs to speak with one store.
#[derive(Clone)]
pub struct StoreAccess {
    /// Which connection this is.
    pub connection: ConnectionId,
    /// The store's address as entered, without a trailing slash in its path.
    pub address: Url,
    /// The keys.
    pub credentials: Arc<Credentials>,
    /// What verification found; empty while the first verification runs.
    pub profile: Arc<CapabilityProfile>,
    /// Settings that only the platform's adapter understands, by field name of the descriptor.
    pub options: Arc<BTreeMap<String, serde_json::Value>>,
    /// The outgoing client.
    pub http: HttpClient,
    /// What every request passes.
    pub gate: Arc<dyn RequestGate>,
}

impl StoreAccess {
    /// Sends one request, once, when the gate allows it. The answer may have any status.
    ///
    /// # Errors
    /// [`ErrorClass::Transient`] when no answer came, [`ErrorClass::Rejected`] when what was read is too
    /// large, [`ErrorClass::Limited`] when memory has no room for it now, [`ErrorClass::Attention`] when
    /// the address is refused or its certificate is bad. [`ErrorClass::Transient`], too, when the gate
    /// denies it (`gate.not_owner`, `gate.stopped`, `gate.busy`).
    pub async fn send(&self, request: Request, purpose: Purpose) -> Result<Response, AdapterError> {
        let permit = self.gate.admit(purpose).await.map_err(|denied| {
            let code = match denied {
                Denied::NotOwner => "gate.not_owner",
                Denied::Stopped => "gate.stopped",
                Denied::Busy => "gate.busy",
            };
            AdapterError::new(ErrorClass::Transient, code, denied.to_string())
        })?;
        let request = match &permit.check {
            Some(check) => request.send_check(check.clone()),
            None => request,
        };
        let effect = request.declared_effect();
        let started = std::time::Instant::now();
        let answer = self.http.send(request).await;
        if let Err(TransportError::Withdrawn { .. }) = answer {
            // The store has seen nothing of it.
            let denied = Denied::NotOwner;
            let class = ErrorClass::Transient;
            return Err(AdapterError::new(
                class,
                "gate.not_owner",
                denied.to_string(),
            ));
        }
        self.gate.observe(
            answer
                .as_ref()
                .ok()
                .map(|response| response.status.as_u16()),
            started.elapsed(),
        );
        drop(permit);
        answer.map_err(|error| transport_failure(&error, effect))
    }
}

impl fmt::Debug for StoreAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreAccess")
            .field("connection", &self.connection)
            .field("host", &self.address.host_str())
            .finish_non_exhaustive()
    }
}

/// Answers that are in memory now are handed on after so long.
const PAUSE_WITHOUT_ROOM: std::time::Duration = std::time::Duration::from_secs(3);

fn transport_failure(error: &TransportError, effect: Effect) -> AdapterError {
    let class = match error {
        // Not for the store's sake, but a pause is what helps.
        TransportError::NoRoom { .. } => ErrorClass::Limited {
            pause: PAUSE_WITHOUT_ROOM,
        },
        // What was asked for is too much; less of it may pass, and so may everything else.
        TransportError::ResponseTooLarge { .. } if effect == Effect::Read => ErrorClass::Rejected,
        error if error.may_pass() => ErrorClass::Transient,
        _ => ErrorClass::Attention,
    };
    let failure =
        AdapterError::new(class, error.code(), error.explanation()).with_remedy(error.remedy());
    if error.outcome_unknown() {
        failure.with_unknown_outcome()
    } else {
        failure
    }
}
