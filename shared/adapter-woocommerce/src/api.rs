//! Requests to one store: addresses, the three ways of authentication (sheet section 2), reading
//! what comes back.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use storelink_adapter_api::{AdapterError, ErrorClass, Purpose, StoreAccess};
use storelink_model::Timestamp;
use storelink_outbound_http::oauth1::{self, OauthExtra, SignatureMethod, Signer};
use storelink_outbound_http::{Effect, Method, Request, Response, Url, lenient_json};
use time::OffsetDateTime;

use crate::{codes, failure};

/// Above a store's own limits (PHP 30 s, gateways 60 s), so that their answer is seen.
const READ_TIME: Duration = Duration::from_secs(60);
const WRITE_TIME: Duration = Duration::from_secs(75);
pub(crate) const VERIFY_TIME: Duration = Duration::from_secs(20);
/// A page of 100 orders has about 300 kB (sheet section 9); plugins multiply it. One that is still larger
/// is read in smaller pages.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Fact of the profile: how requests prove who we are.
pub(crate) const FACT_AUTH: &str = "auth";
/// Fact of the profile: the address that signatures are computed with.
pub(crate) const FACT_SIGNING_ADDRESS: &str = "signing_address";

/// How a request proves who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// HTTP Basic; the store looks at it only when it sees TLS.
    Basic,
    /// Key and secret in the query; same condition, for servers that drop the header.
    Query,
    /// Signed, nothing secret on the wire; the only way over plain http.
    OAuth1,
}

impl Auth {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Query => "query",
            Self::OAuth1 => "oauth1",
        }
    }

    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Basic => "the Authorization header",
            Self::Query => "key and secret in the address",
            Self::OAuth1 => "signed requests",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Basic, Self::Query, Self::OAuth1]
            .into_iter()
            .find(|auth| auth.as_str() == name)
    }
}

/// One request without what proves who we are.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Below `wp-json/wc/v3/`.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>, query: &[(&str, &str)]) -> Self {
        let query = query
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        Self {
            method: Method::GET,
            path: path.into(),
            query,
            body: None,
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: String) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            query: Vec::new(),
            body: Some(body),
        }
    }

    fn effect(&self) -> Effect {
        if self.method.is_safe() {
            Effect::Read
        } else {
            Effect::Write
        }
    }
}

/// An answer that was understood.
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    /// `X-WP-TotalPages`; not to be trusted on a page past the end (recordings 62, 300).
    pub(crate) total_pages: Option<u64>,
    /// The store's clock when the answer began.
    pub(crate) store_time: Option<Timestamp>,
    /// The store's clock, as far as it can be known, safely before it began to work on this
    /// request.
    pub(crate) before_request: Timestamp,
}

/// Speaks with one store.
#[derive(Clone)]
pub(crate) struct Api<'a> {
    access: &'a StoreAccess,
    key: String,
    secret: SecretString,
    auth: Auth,
    /// The store signs with its own home address, whatever name it was called by (recording 25).
    signing_address: Url,
}

impl<'a> Api<'a> {
    /// With what verification found; before the first one, by the scheme of the address.
    pub(crate) fn new(access: &'a StoreAccess) -> Result<Self, AdapterError> {
        let profile = &access.profile;
        let key = access.credentials.get("consumer_key");
        let secret = access.credentials.get("consumer_secret");
        let (Some(key), Some(secret)) = (key, secret) else {
            return Err(codes::KEYS_MISSING.error(ErrorClass::Attention));
        };
        // Nothing secret ever leaves over plain http, whatever the profile says.
        let auth = match access.address.scheme() {
            "https" => profile
                .fact(FACT_AUTH)
                .and_then(Auth::named)
                .unwrap_or(Auth::Basic),
            _ => Auth::OAuth1,
        };
        let home = profile
            .fact(FACT_SIGNING_ADDRESS)
            .or(profile.home.as_deref());
        Ok(Self {
            access,
            key: key.expose_secret().trim().to_owned(),
            secret: secret.expose_secret().trim().to_owned().into(),
            auth,
            signing_address: home
                .and_then(|home| Url::parse(home).ok())
                .unwrap_or_else(|| access.address.clone()),
        })
    }

    /// The same store, authenticated in another way.
    pub(crate) fn with(&self, auth: Auth, signing_address: Url) -> Self {
        Self {
            auth,
            signing_address,
            ..self.clone()
        }
    }

    /// The same store with a secret that no key has: what it says then is what it says of a wrong
    /// secret, in its own language.
    pub(crate) fn with_wrong_secret(&self) -> Self {
        Self {
            secret: format!("cs_{}", "0".repeat(40)).into(),
            ..self.clone()
        }
    }

    /// The same store with a key that does not exist.
    pub(crate) fn with_unknown_key(&self) -> Self {
        Self {
            key: format!("ck_{}", "0".repeat(40)),
            ..self.clone()
        }
    }

    /// How requests prove who we are.
    pub(crate) fn auth(&self) -> Auth {
        self.auth
    }

    /// What verification found.
    pub(crate) fn profile(&self) -> &storelink_adapter_api::CapabilityProfile {
        &self.access.profile
    }

    /// The address of a call.
    pub(crate) fn url(&self, path: &str) -> Url {
        below(&self.access.address, &format!("wp-json/wc/v3/{path}"))
    }

    /// The request as it would be sent now.
    pub(crate) fn request(&self, call: &Call) -> Request {
        let secret = self.secret.clone();
        let time = if call.effect() == Effect::Write {
            WRITE_TIME
        } else {
            READ_TIME
        };
        let mut request = Request::new(call.method.clone(), self.url(&call.path))
            .query(call.query.clone())
            .header("accept", "application/json")
            .timeout(time)
            .max_response_bytes(LARGEST_ANSWER);
        if let Some(body) = &call.body {
            // With any other content type the body is not looked at (recording 134).
            request = request.body("application/json", body.clone());
        }
        match self.auth {
            Auth::Basic => request.basic_auth(&self.key, &secret),
            Auth::Query => request
                .secret_query("consumer_key", self.key.clone().into())
                .secret_query("consumer_secret", secret),
            Auth::OAuth1 => {
                let credentials = oauth1::Credentials {
                    consumer_key: self.key.clone(),
                    consumer_secret: secret,
                    token: None,
                };
                let signed = Signer::new(credentials, SignatureMethod::HmacSha256).sign(
                    call.method.as_str(),
                    &below(
                        &self.signing_address,
                        &format!("wp-json/wc/v3/{}", call.path),
                    ),
                    &call.query,
                    &OauthExtra::default(),
                    &oauth1::fresh_nonce(),
                    OffsetDateTime::now_utc(),
                );
                request.query(signed.query_pairs())
            }
        }
    }

    /// Sends a call once; the answer may have any status.
    pub(crate) async fn send(
        &self,
        call: &Call,
        purpose: Purpose,
    ) -> Result<Response, AdapterError> {
        let mut request = self.request(call);
        if purpose == Purpose::Verify {
            request = request.timeout(VERIFY_TIME);
        }
        let effect = request.declared_effect();
        self.access.send(request, purpose).await.map_err(|error| {
            let slow = effect == Effect::Write && error.code == "http.timeout";
            if slow {
                error.with_smaller_batch()
            } else {
                error
            }
        })
    }

    /// Sends a call once and reads its answer. Noise around the document is cut away and reported.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        call: &Call,
        purpose: Purpose,
    ) -> Result<Answer<T>, AdapterError> {
        let response = self.send(call, purpose).await?;
        self.understand(call, &response)
    }

    /// Reads the answer to a call.
    pub(crate) fn understand<T: DeserializeOwned>(
        &self,
        call: &Call,
        response: &Response,
    ) -> Result<Answer<T>, AdapterError> {
        if !matches!(response.status.as_u16(), 200 | 201) {
            return Err(failure::of_answer(
                &self.url(&call.path),
                call.effect(),
                response,
            ));
        }
        let read = lenient_json::read::<T>(&response.body)
            .map_err(|why| failure::of_body(&why, call.effect()))?;
        if let Some(noise) = &read.noise {
            tracing::warn!(
                connection = %self.access.connection,
                path = call.path,
                %noise,
                "the store printed something around its answer"
            );
        }
        let store_time = response.date().map(Timestamp::from);
        let difference = self.access.profile.clock_difference_seconds.unwrap_or(0);
        let by_our_clock = Timestamp::from(response.received_at)
            .saturating_add(time::Duration::seconds(difference));
        let elapsed = time::Duration::try_from(response.elapsed).unwrap_or(time::Duration::HOUR);
        Ok(Answer {
            value: read.value,
            total_pages: response
                .header("x-wp-totalpages")
                .and_then(|text| text.parse().ok()),
            store_time,
            before_request: store_time
                .unwrap_or(by_our_clock)
                .saturating_sub(elapsed + time::Duration::seconds(2)),
        })
    }
}

/// An address below another one, whatever slashes stand between them.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    url
}
