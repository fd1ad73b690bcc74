//! `Idempotency-Key`: a POST that is repeated with the same key has its effect once.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use storelink_model::Timestamp;
use storelink_persistence::{Database, DbError, args};
use storelink_vault::Sealed;
use time::Duration;
use tracing::Instrument as _;

use super::caller::Caller;
use super::json::{self, LARGEST_BODY};
use crate::problem::{Answer, Problem, catalogue};
use crate::registry::{Registry, Shared};
use crate::tokens::hexadecimal;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const LONGEST_KEY: usize = 255;
/// What belongs to an answer besides its body.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
/// How long an answer is kept.
const KEPT: Duration = Duration::hours(24);
/// A first request that is older died with its process; its key is free again.
const ABANDONED: Duration = Duration::minutes(5);

/// An answer as it is kept. Sealed, since it may hold a token or a ticket.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Those of [`KEPT_HEADERS`] that the answer had.
    headers: Vec<(String, String)>,
    body: String,
}

enum Claim {
    /// Nobody used the key: go on.
    First,
    Done {
        status: u16,
        kept: Kept,
    },
}

/// Wraps all routes behind authorization.
pub(crate) async fn once(
    State(registry): State<Shared>,
    request: Request,
    next: Next,
) -> Answer<Response> {
    let caller = request.extensions().get::<Caller>().cloned();
    let (Some(caller), Some(key)) = (caller, key_of(&request)?) else {
        return Ok(next.run(request).await);
    };
    let (parts, body) = request.into_parts();
    let head = format!("{} {}", parts.method, parts.uri);
    let bytes = json::bytes(Request::from_parts(parts.clone(), body)).await?;
    let hash = hexadecimal(&Sha256::digest([head.as_bytes(), b"\n", &bytes].concat()));

    match registry.claim(&caller, &key, &hash).await? {
        Claim::Done { status, kept } => replay(status, kept),
        Claim::First => {
            let request = Request::from_parts(parts, Body::from(bytes));
            registry.carry_out(caller, key, request, next).await
        }
    }
}

fn key_of(request: &Request) -> Answer<Option<String>> {
    if request.method() != Method::POST {
        return Ok(None);
    }
    let Some(value) = request.headers().get(KEY) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > LONGEST_KEY || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::new(catalogue::HEADER_INVALID)
            .detail("Idempotency-Key must have 1 to 255 visible ASCII characters"));
    }
    Ok(Some(text.to_owned()))
}

impl Registry {
    async fn claim(&self, caller: &Caller, key: &str, hash: &str) -> Answer<Claim> {
        let now = Timestamp::now();
        // Expired answers and abandoned claims are no obstacle.
        self.database
            .execute(
                "DELETE FROM idempotency WHERE caller = $1 AND idempotency_key = $2
                    AND (created < $3 OR (status IS NULL AND created < $4))",
                args![
                    &caller.token,
                    key,
                    now.saturating_sub(KEPT).micros(),
                    now.saturating_sub(ABANDONED).micros(),
                ],
            )
            .await?;
        let claimed = self
            .database
            .execute(
                "INSERT INTO idempotency (caller, idempotency_key, request_hash, created)
                 VALUES ($1, $2, $3, $4) ON CONFLICT (caller, idempotency_key) DO NOTHING",
                args![&caller.token, key, hash, now.micros()],
            )
            .await?;
        if claimed == 1 {
            return Ok(Claim::First);
        }
        let row = self
            .database
            .fetch_optional(
                "SELECT request_hash, status, sealed_answer FROM idempotency
                 WHERE caller = $1 AND idempotency_key = $2",
                args![&caller.token, key],
            )
            .await?;
        // The first request failed between the two statements: let the caller repeat.
        let Some(row) = row else {
            return Err(Problem::new(catalogue::KEY_RUNNING));
        };
        if row.text("request_hash")? != hash {
            return Err(Problem::new(catalogue::KEY_OTHER_REQUEST));
        }
        let (Some(status), Some(sealed)) = (row.opt_int("status")?, row.opt_text("sealed_answer")?)
        else {
            return Err(
                Problem::new(catalogue::KEY_RUNNING).retry_after(std::time::Duration::from_secs(1))
            );
        };
        let sealed: Sealed = sealed.parse()?;
        let plain = self.vault.unseal(&sealed, &associated(caller, key))?;
        let kept = serde_json::from_slice(plain.expose_secret()).map_err(Problem::internal)?;
        Ok(Claim::Done {
            status: u16::try_from(status).unwrap_or(500),
            kept,
        })
    }

    /// Carries the first request out, to its end also when the caller hangs up: else its effect
    /// would stand without an answer, and a repetition would have it again.
    async fn carry_out(
        self: &Shared,
        caller: Caller,
        key: String,
        request: Request,
        next: Next,
    ) -> Answer<Response> {
        let registry = self.clone();
        let (owner, name) = (caller.clone(), key.clone());
        let work = async move {
            let response = next.run(request).await;
            registry.remember(&owner, &name, response).await
        };
        match tokio::spawn(work.in_current_span()).await {
            Ok(answer) => answer,
            Err(panic) => {
                self.release(&caller, &key).await?;
                Err(Problem::internal(panic))
            }
        }
    }

    /// Keeps what was done. A refusal had no effect, so that its key is free again. What failed on our side is not kept: it may be repeated.
    async fn remember(&self, caller: &Caller, key: &str, response: Response) -> Answer<Response> {
        let status = response.status();
        if status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || response.extensions().get::<Problem>().is_some()
        {
            self.release(caller, key).await?;
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 8 * LARGEST_BODY)
            .await
            .map_err(Problem::internal)?;
        let text = |name: HeaderName| {
            let value = parts.headers.get(&name)?.to_str().ok()?.to_owned();
            Some((name.as_str().to_owned(), value))
        };
        let kept = Kept {
            headers: KEPT_HEADERS.into_iter().filter_map(text).collect(),
            body: STANDARD.encode(&bytes),
        };
        let plain = serde_json::to_vec(&kept).map_err(Problem::internal)?;
        let sealed = self.vault.seal(&plain, &associated(caller, key))?;
        let noted = self
            .database
            .execute(
                "UPDATE idempotency SET status = $3, sealed_answer = $4
                 WHERE caller = $1 AND idempotency_key = $2",
                args![
                    &caller.token,
                    key,
                    i64::from(status.as_u16()),
                    sealed.to_string()
                ],
            )
            .await;
        // The effect stands whether or not its answer could be kept.
        if let Err(error) = noted {
            tracing::warn!(%error, code = error.code(), "an answer could not be kept");
        }
        Ok(Response::from_parts(parts, Body::from(bytes)))
    }

    async fn release(&self, caller: &Caller, key: &str) -> Answer<()> {
        self.database
            .execute(
                "DELETE FROM idempotency WHERE caller = $1 AND idempotency_key = $2",
                args![&caller.token, key],
            )
            .await?;
        Ok(())
    }
}

/// Forgets answers whose time is over.
pub(crate) async fn forget_old(database: &Database) -> Result<u64, DbError> {
    let before = Timestamp::now().saturating_sub(KEPT).micros();
    database
        .execute("DELETE FROM idempotency WHERE created < $1", args![before])
        .await
}

fn associated(caller: &Caller, key: &str) -> String {
    format!("idempotency {} {key}", caller.token)
}

fn replay(status: u16, kept: Kept) -> Answer<Response> {
    let body = STANDARD.decode(&kept.body).map_err(Problem::internal)?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).map_err(Problem::internal)?;
    let headers = response.headers_mut();
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
