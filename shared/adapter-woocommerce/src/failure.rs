//! From an answer that is no success to an error: sheet section 8, decided by status and code. The
//! store's messages are translated; they are looked at only where one code stands for several
//! causes, and verification proves those in another way.

use std::time::Duration;

use serde_json::Value;
use storelink_adapter_api::{AdapterError, ErrorClass};
use storelink_outbound_http::lenient_json::{self, NotUnderstood};
use storelink_outbound_http::redaction::excerpt;
use storelink_outbound_http::{Effect, Response, Url};

use crate::codes::{self, Code};

/// When a server says "too many" without a time.
const LIMITED_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// WordPress says ten minutes for every maintenance, which mostly lasts seconds (recording 170).
const LONGEST_MAINTENANCE_PAUSE: Duration = Duration::from_secs(30);

/// What WordPress says when it refuses: `{"code","message","data"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreError {
    /// For programs.
    pub(crate) code: String,
    /// For people, translated.
    pub(crate) message: String,
    /// `data.status`, as rows of a batch carry it.
    pub(crate) status: Option<u64>,
    /// WordPress always gives `data`, be it null; other programs' errors have no such member.
    from_wordpress: bool,
    /// `data` is a bare number: a refusal of WooCommerce's older part (recording 159).
    bare_data: bool,
    /// `data.params`: which parameters were wrong.
    params: Vec<String>,
}

impl StoreError {
    pub(crate) fn of(response: &Response) -> Option<Self> {
        Self::from_value(&lenient_json::read::<Value>(&response.body).ok()?.value)
    }

    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let data = value.get("data");
        let params = data
            .and_then(|data| data.get("params"))
            .and_then(Value::as_object);
        Some(Self {
            code: text("code")?,
            message: text("message").unwrap_or_default(),
            status: data
                .and_then(|data| data.get("status"))
                .and_then(Value::as_u64),
            from_wordpress: data.is_some(),
            bare_data: data.is_some_and(Value::is_number),
            params: params
                .map(|params| params.keys().cloned().collect())
                .unwrap_or_default(),
        })
    }

    /// The store's words, fit to be shown.
    pub(crate) fn words(&self) -> String {
        let message = excerpt(self.message.as_bytes());
        if message.is_empty() {
            return format!("The store says no more than {}.", self.code);
        }
        if self.params.is_empty() {
            format!("The store says: \"{message}\" ({}).", self.code)
        } else {
            format!(
                "The store says: \"{message}\" ({}: {}).",
                self.code,
                self.params.join(", ")
            )
        }
    }

    pub(crate) fn is_about_a_missing_id(&self) -> bool {
        self.code.ends_with("_invalid_id")
    }
}

/// The error that an answer with another status than 200 or 201 stands for.
pub(crate) fn of_answer(url: &Url, effect: Effect, response: &Response) -> AdapterError {
    use ErrorClass::{Attention, Rejected, Transient};
    let body = StoreError::of(response);
    let words = body.as_ref().map(StoreError::words).unwrap_or_default();
    let status = response.status.as_u16();
    match (status, &body) {
        (301 | 302 | 303 | 307 | 308, _) => redirected(url, response),
        (429, _) => limited(codes::RATE_LIMITED, response, LONGEST_PAUSE),
        (503, body) if is_maintenance(body.as_ref(), response) => {
            limited(codes::MAINTENANCE, response, LONGEST_MAINTENANCE_PAUSE)
        }
        (503, _) if response.retry_after().is_some() => {
            after(effect, limited(codes::UNAVAILABLE, response, LONGEST_PAUSE))
        }
        (401 | 403, Some(body)) => refused(status, body),
        (401, None) if response.header("www-authenticate").is_some() => {
            codes::SERVER_PASSWORD.error(Attention)
        }
        (401 | 403 | 406, None) => codes::FIREWALL.error_with(Attention, &seen(response)),
        (404, body) if !from_wordpress(body.as_ref()) => {
            codes::API_NOT_FOUND.error_with(Attention, &seen(response))
        }
        (404, Some(body)) if body.code == "rest_no_route" => {
            codes::ROUTE_MISSING.error_with(Attention, &words)
        }
        (404, Some(body)) if body.is_about_a_missing_id() => {
            codes::NOT_FOUND.error_with(Rejected, &words)
        }
        (410, Some(_)) => codes::ALREADY_DELETED.error_with(Rejected, &words),
        (413, Some(_)) => codes::BATCH_TOO_LARGE.error(Rejected).with_smaller_batch(),
        (413, None) => codes::BODY_TOO_LARGE.error(Rejected).with_smaller_batch(),
        (400..=499, body) if from_wordpress(body.as_ref()) => {
            codes::REQUEST_REFUSED.error_with(Rejected, &words)
        }
        (400..=499, _) => codes::UNEXPECTED_STATUS.error_with(Rejected, &seen(response)),
        (500..=599, Some(body)) if body.bare_data => {
            codes::BUSINESS_REFUSAL.error_with(Rejected, &words)
        }
        (500..=599, _) => broken(status, body.as_ref(), effect, response),
        _ => codes::UNEXPECTED_STATUS.error_with(Transient, &seen(response)),
    }
}

fn from_wordpress(body: Option<&StoreError>) -> bool {
    body.is_some_and(|body| body.from_wordpress)
}

/// The error for a 200 whose body cannot be read. A write under it may have been done.
pub(crate) fn of_body(why: &NotUnderstood, effect: Effect) -> AdapterError {
    let code = match why {
        NotUnderstood::Html { .. } => codes::ANSWER_HTML,
        _ => codes::ANSWER_NOT_UNDERSTOOD,
    };
    after(
        effect,
        code.error_with(ErrorClass::Transient, &format!("Seen: {why}.")),
    )
}

/// Marks what a request that may have been carried out leaves open.
pub(crate) fn after(effect: Effect, error: AdapterError) -> AdapterError {
    match effect {
        Effect::Write => error.with_unknown_outcome(),
        Effect::Read => error,
    }
}

fn broken(
    status: u16,
    body: Option<&StoreError>,
    effect: Effect,
    response: &Response,
) -> AdapterError {
    let code = match (status, body.map(|body| body.code.as_str())) {
        (502, _) => codes::GATEWAY,
        (503, _) => codes::UNAVAILABLE,
        (504, _) => codes::GATEWAY_TIMEOUT,
        (_, Some("internal_server_error")) => codes::PLUGIN_CRASH,
        (_, Some("wp_die")) => codes::DATABASE_DOWN,
        _ => codes::SERVER_ERROR,
    };
    let words = body.map_or_else(|| seen(response), StoreError::words);
    let error = after(effect, code.error_with(ErrorClass::Transient, &words));
    if status == 504 {
        error.with_smaller_batch()
    } else {
        error
    }
}

/// A permalink of WordPress ends in a slash: being sent to the same path with one means that
/// WordPress took the call for a page (recording 177). Anything else is a move.
fn redirected(url: &Url, response: &Response) -> AdapterError {
    let target = redirect_target(url, response);
    let same_path_with_slash = target
        .as_ref()
        .is_some_and(|target| target.path() == format!("{}/", url.path()));
    if same_path_with_slash {
        return codes::PERMALINKS_PLAIN.error(ErrorClass::Attention);
    }
    let seen = target.map_or_else(String::new, |target| {
        format!("It leads to {}.", store_address(&target))
    });
    codes::MOVED.error_with(ErrorClass::Attention, &seen)
}

pub(crate) fn redirect_target(url: &Url, response: &Response) -> Option<Url> {
    url.join(response.header("location")?).ok()
}

/// The address of the store that an address of its interface belongs to.
pub(crate) fn store_address(url: &Url) -> String {
    let mut address = url.clone();
    address.set_query(None);
    address.set_fragment(None);
    let path = address.path().to_owned();
    let shop = path.split("/wp-json").next().unwrap_or_default();
    address.set_path(shop);
    address.as_str().trim_end_matches('/').to_owned()
}

/// WordPress answers before it does anything (recordings 170, 170b); any other 503 comes from the
/// web server, and what was done is not known.
fn is_maintenance(body: Option<&StoreError>, response: &Response) -> bool {
    let page = String::from_utf8_lossy(&response.body);
    body.is_some_and(|body| body.code == "wp_die") || page.contains("wp-die-message")
}

fn limited(code: Code, response: &Response, longest: Duration) -> AdapterError {
    let asked = response.retry_after();
    let pause = asked
        .unwrap_or(LIMITED_PAUSE)
        .clamp(Duration::from_secs(1), longest);
    code.error(ErrorClass::Limited { pause })
}

fn refused(status: u16, body: &StoreError) -> AdapterError {
    let code = match body.code.as_str() {
        "woocommerce_rest_authentication_error" => authentication_error(&body.message),
        "woocommerce_rest_authentication_missing_parameter" => codes::PARAMETERS_STRIPPED,
        // WordPress took the key for a user's name and an application password: WooCommerce did not
        // know it, or saw no TLS.
        "invalid_username"
        | "invalid_email"
        | "incorrect_password"
        | "application_passwords_disabled"
        | "application_passwords_disabled_for_user" => codes::CREDENTIALS_NOT_SEEN,
        other if !other.starts_with("woocommerce_") => codes::API_CLOSED,
        _ if status == 401 => codes::CREDENTIALS_NOT_SEEN,
        _ => codes::RIGHTS_MISSING,
    };
    let class = if code == codes::NONCE_REFUSED {
        ErrorClass::Transient
    } else {
        ErrorClass::Attention
    };
    code.error_with(class, &body.words())
}

/// One code of the store stands for eight causes; its English words tell them apart (recordings 04,
/// 11, 12, 18 to 23).
pub(crate) fn authentication_error(message: &str) -> Code {
    const WORDS: [(&str, Code); 7] = [
        ("secret is invalid", codes::SECRET_WRONG),
        ("key is invalid", codes::KEY_UNKNOWN),
        ("write permissions", codes::KEY_READ_ONLY),
        ("read permissions", codes::KEY_WRITE_ONLY),
        ("Invalid timestamp", codes::CLOCK_DIFFERS),
        ("Invalid nonce", codes::NONCE_REFUSED),
        ("signature does not match", codes::SIGNATURE_REFUSED),
    ];
    let found = WORDS.iter().find(|(words, _)| message.contains(words));
    found.map_or(codes::CREDENTIALS_REFUSED, |(_, code)| *code)
}

/// What a person can recognise an answer by.
pub(crate) fn seen(response: &Response) -> String {
    let form = response
        .content_type()
        .unwrap_or_else(|| "no content type".to_owned());
    let text = excerpt(&response.body);
    format!(
        "Seen: status {}, {form}, \"{text}\".",
        response.status.as_u16()
    )
}
