//! What handlers take from a request besides its body.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use storelink_model::ConnectionId;

use super::caller::Caller;
use crate::connections::{Connection, store};
use crate::problem::{Answer, Problem, catalogue};
use crate::registry::Shared;

/// The connection that the path names, of the caller's tenant. A foreign, a deleted and an unknown
/// id answer alike.
pub(crate) struct OwnConnection(pub(crate) Connection);

#[derive(Deserialize)]
struct ConnectionPath {
    id: String,
}

impl FromRequestParts<Shared> for OwnConnection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, registry: &Shared) -> Answer<Self> {
        let caller = Caller::from_request_parts(parts, registry).await?;
        let path: Result<Path<ConnectionPath>, PathRejection> =
            Path::from_request_parts(parts, registry).await;
        let id: ConnectionId = path
            .ok()
            .and_then(|Path(path)| path.id.parse().ok())
            .ok_or_else(Problem::not_found)?;
        store::get(&registry.database, &caller.tenant, &id)
            .await?
            .map(Self)
            .ok_or_else(Problem::not_found)
    }
}

/// The parameters of the path; what cannot be read is not found.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        path.map(|Path(path)| Self(path))
            .map_err(|_| Problem::not_found())
    }
}

/// The parameters of the query; unknown ones are refused.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text
                .rsplit(": ")
                .next()
                .unwrap_or_default()
                .chars()
                .take(200);
            Problem::new(catalogue::QUERY_INVALID).detail(text.collect::<String>())
        })
    }
}

/// Refuses a change when the object is another than the caller saw; without `If-Match` any is
/// right.
pub(crate) fn check_if_match(headers: &HeaderMap, etag: &str) -> Answer<()> {
    let Some(wanted) = headers.get(header::IF_MATCH) else {
        return Ok(());
    };
    let matches = wanted.to_str().is_ok_and(|wanted| {
        wanted
            .split(',')
            .map(str::trim)
            .any(|one| one == "*" || one == etag)
    });
    if matches {
        Ok(())
    } else {
        Err(Problem::new(catalogue::PRECONDITION))
    }
}
