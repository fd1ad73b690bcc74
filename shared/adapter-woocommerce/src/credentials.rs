//! Proving how a store can be called, or why not. The store's answers tell the causes apart badly:
//! an unknown key, a dropped header, plain http and a deleted user all look like no key at all
//! (sheet section 2). So the same question is asked in other ways until one cause is left.

use serde::de::IgnoredAny;
use storelink_adapter_api::{AdapterError, ErrorClass, Purpose};
use storelink_outbound_http::{Response, Url};

use crate::api::{Api, Auth, Call};
use crate::codes::{self, Code};
use crate::failure::StoreError;

/// Beyond this the store refuses a signature (recording 21).
pub(crate) const SIGNATURE_WINDOW_SECONDS: i64 = 15 * 60;

/// What is proven.
pub(crate) struct Proof<'a> {
    /// The way that the store accepts the key in; none when it does not.
    pub(crate) accepted: Option<Accepted<'a>>,
    /// What is wrong, or only what a person should know when the key is accepted.
    pub(crate) cause: Option<AdapterError>,
    /// The question that was asked, for a person to repeat.
    pub(crate) curl: String,
}

/// A way in which the store accepts the key.
pub(crate) struct Accepted<'a> {
    pub(crate) api: Api<'a>,
    pub(crate) auth: Auth,
    pub(crate) signing_address: Url,
    /// The orders themselves, or why the key may not read them.
    pub(crate) orders: Result<Response, AdapterError>,
}

/// What the store said to one way of asking.
enum Verdict {
    Reads(Response),
    /// The key is accepted, but not for reading orders.
    MayNot(AdapterError),
    /// As if there had been no key.
    NotSeen(AdapterError),
    /// The key was looked at and refused.
    Refused(AdapterError),
    /// Something else is wrong.
    Broken(AdapterError),
}

/// `home` is the store's own spelling of its address, by its index.
pub(crate) async fn prove<'a>(
    api: &Api<'a>,
    entered: &Url,
    home: Option<&Url>,
    clock_difference: Option<i64>,
) -> Proof<'a> {
    let call = question();
    let by_tls = entered.scheme() == "https";
    if by_tls {
        for (auth, note) in [
            (Auth::Basic, None),
            (Auth::Query, Some(codes::HEADER_DROPPED)),
        ] {
            let way = api.with(auth, entered.clone());
            match ask(&way, clock_difference).await {
                Verdict::NotSeen(_) => {}
                verdict => return conclude(way, auth, entered, verdict, note),
            }
        }
    }
    let note = by_tls.then_some(codes::HTTPS_NOT_SEEN);
    let mut refused = None;
    let addresses = signing_addresses(entered, home);
    for address in &addresses {
        let way = api.with(Auth::OAuth1, address.clone());
        match ask(&way, clock_difference).await {
            Verdict::Refused(error) if error.code == codes::SIGNATURE_REFUSED.code => {
                refused = Some(way.request(&call).as_curl());
            }
            Verdict::NotSeen(error) => {
                let cause = not_arrived(&way, error).await;
                return failed(&way, cause);
            }
            verdict => return conclude(way, Auth::OAuth1, address, verdict, note),
        }
    }
    let tried: Vec<&str> = addresses.iter().map(Url::as_str).collect();
    let seen = format!("Signed for {}.", tried.join(", "));
    // The store's own address is among those tried: what is left is the secret.
    let code = if home.is_some() {
        codes::SECRET_WRONG
    } else {
        codes::SIGNATURE_REFUSED
    };
    Proof {
        accepted: None,
        cause: Some(code.error_with(ErrorClass::Attention, &seen)),
        curl: refused.unwrap_or_default(),
    }
}

fn question() -> Call {
    Call::get("orders", &[("per_page", "1"), ("_fields", "id,status")])
}

/// The store computes signatures with its home address, in the scheme by which it believes to have
/// been called. The entered address comes last, for a store whose index is not its own.
fn signing_addresses(entered: &Url, home: Option<&Url>) -> Vec<Url> {
    let mut addresses: Vec<Url> = home.into_iter().cloned().collect();
    for scheme in ["http", "https"] {
        let mut other = home.unwrap_or(entered).clone();
        if other.set_scheme(scheme).is_ok() {
            addresses.push(other);
        }
    }
    addresses.push(entered.clone());
    let mut distinct: Vec<Url> = Vec::new();
    for address in addresses {
        let same = |other: &Url| {
            other.as_str().trim_end_matches('/') == address.as_str().trim_end_matches('/')
        };
        if !distinct.iter().any(same) {
            distinct.push(address);
        }
    }
    distinct
}

async fn ask(way: &Api<'_>, clock_difference: Option<i64>) -> Verdict {
    let call = question();
    let response = match way.send(&call, Purpose::Verify).await {
        Ok(response) => response,
        Err(error) => return Verdict::Broken(error),
    };
    let error = match way.understand::<IgnoredAny>(&call, &response) {
        Ok(_) => return Verdict::Reads(response),
        Err(error) => error,
    };
    let refusals = [
        codes::SECRET_WRONG,
        codes::KEY_UNKNOWN,
        codes::SIGNATURE_REFUSED,
        codes::CLOCK_DIFFERS,
        codes::PARAMETERS_STRIPPED,
    ];
    let is = |code: &Code| code.code == error.code;
    if is(&codes::CREDENTIALS_NOT_SEEN) {
        Verdict::NotSeen(error)
    } else if is(&codes::RIGHTS_MISSING) || is(&codes::KEY_WRITE_ONLY) {
        Verdict::MayNot(error)
    } else if is(&codes::CREDENTIALS_REFUSED) {
        by_comparison(way, &response, error, clock_difference).await
    } else if refusals.iter().any(is) {
        Verdict::Refused(error)
    } else {
        Verdict::Broken(error)
    }
}

/// The refusal is in a language that is not known here. What the store says of a key or a secret
/// that is surely wrong is in the same language: equal words have the same cause.
async fn by_comparison(
    way: &Api<'_>,
    response: &Response,
    error: AdapterError,
    clock_difference: Option<i64>,
) -> Verdict {
    let words = StoreError::of(response)
        .map(|body| body.message)
        .unwrap_or_default();
    let attention = |code: Code| code.error_with(ErrorClass::Attention, &error.text);
    // Without an answer to compare with, nothing is excluded.
    let Some(of_unknown_key) = said(&way.with_unknown_key()).await else {
        return Verdict::Refused(error);
    };
    if of_unknown_key == words {
        return Verdict::Refused(attention(codes::KEY_UNKNOWN));
    }
    let signed = way.auth() == Auth::OAuth1;
    let Some(of_wrong_secret) = said(&way.with_wrong_secret()).await else {
        return Verdict::Refused(error);
    };
    if of_wrong_secret == words {
        let code = if signed {
            codes::SIGNATURE_REFUSED
        } else {
            codes::SECRET_WRONG
        };
        return Verdict::Refused(attention(code));
    }
    if signed {
        match clock_difference {
            Some(by) if by.abs() >= SIGNATURE_WINDOW_SECONDS => {
                return Verdict::Refused(attention(codes::CLOCK_DIFFERS));
            }
            Some(_) => {}
            // The store tells no time: it may be that as well.
            None => return Verdict::Refused(error),
        }
    }
    // Neither the key nor the secret is wrong: what is left is what the key may do.
    Verdict::MayNot(attention(codes::KEY_WRITE_ONLY))
}

async fn said(way: &Api<'_>) -> Option<String> {
    let response = way.send(&question(), Purpose::Verify).await.ok()?;
    StoreError::of(&response).map(|body| body.message)
}

/// A signed request was answered as if there had been no key. When a wrong signature is noticed, the
/// parameters do arrive and the key is known: then its user is gone.
async fn not_arrived(way: &Api<'_>, error: AdapterError) -> AdapterError {
    match ask(&way.with_wrong_secret(), None).await {
        Verdict::Refused(_) => codes::KEY_USER_GONE.error(ErrorClass::Attention),
        Verdict::NotSeen(_) => codes::CREDENTIALS_STRIPPED.error(ErrorClass::Attention),
        _ => error,
    }
}

fn conclude<'a>(
    api: Api<'a>,
    auth: Auth,
    signing_address: &Url,
    verdict: Verdict,
    note: Option<Code>,
) -> Proof<'a> {
    let orders = match verdict {
        Verdict::Reads(response) => Ok(response),
        Verdict::MayNot(error) => Err(error),
        Verdict::NotSeen(error) | Verdict::Refused(error) | Verdict::Broken(error) => {
            return failed(&api, error);
        }
    };
    let curl = api.request(&question()).as_curl();
    let signing_address = signing_address.clone();
    Proof {
        accepted: Some(Accepted {
            api,
            auth,
            signing_address,
            orders,
        }),
        cause: note.map(|code| code.error(ErrorClass::Attention)),
        curl,
    }
}

fn failed<'a>(way: &Api<'_>, cause: AdapterError) -> Proof<'a> {
    let curl = way.request(&question()).as_curl();
    Proof {
        accepted: None,
        cause: Some(cause),
        curl,
    }
}
