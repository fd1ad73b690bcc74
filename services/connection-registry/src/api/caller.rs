//! Who calls: the token, its tenant and role, checked against the one table of routes.

use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use storelink_model::TenantId;

use crate::access::{self, Allowed, Role};
use crate::audit::Actor;
use crate::problem::{Answer, Problem, catalogue};
use crate::registry::{Registry, Shared};
use crate::tokens::{self, Token};

/// The caller of a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) token: String,
}

impl Caller {
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            tenant: self.tenant.clone(),
            token: self.token.clone(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        // Without the layer below there is no caller: refused, not served.
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| Problem::new(catalogue::TOKEN_MISSING))
    }
}

/// Lets a request through when its route is open or its token has one of the roles of the route.
pub(crate) async fn authorize(
    State(registry): State<Shared>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Answer<Response> {
    let roles = match access::allowed(request.method().as_str(), path.as_str()) {
        Some(Allowed::Everybody) => return Ok(next.run(request).await),
        Some(Allowed::Roles(roles)) => roles,
        // The route exists without this method, and answers so; or it is missing in the table, and
        // then its handler finds no caller.
        None => return Ok(next.run(request).await),
    };
    let token = registry.authenticate(request.headers()).await?;
    registry
        .rates
        .take(&token.id, Instant::now())
        .map_err(|pause| Problem::new(catalogue::TOO_MANY).retry_after(pause))?;
    if !roles.contains(&token.role) {
        return Err(refused(token.role, roles));
    }
    tracing::Span::current().record("tenant", token.tenant.as_str());
    request.extensions_mut().insert(Caller {
        tenant: token.tenant,
        token: token.id,
    });
    Ok(next.run(request).await)
}

impl Registry {
    async fn authenticate(&self, headers: &HeaderMap) -> Answer<Token> {
        let text = bearer(headers)?;
        let token = tokens::find(&self.database, text)
            .await?
            .ok_or_else(|| Problem::new(catalogue::TOKEN_UNKNOWN))?;
        if token.revoked.is_some() {
            return Err(Problem::new(catalogue::TOKEN_REVOKED));
        }
        if token.has_expired() {
            return Err(Problem::new(catalogue::TOKEN_EXPIRED));
        }
        if let Err(error) = tokens::note_use(&self.database, &token).await {
            tracing::debug!(%error, "the use of a token was not noted");
        }
        Ok(token)
    }
}

/// The one bearer token of a request. Two of them are refused: proxies differ in which one counts.
fn bearer(headers: &HeaderMap) -> Answer<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values
        .next()
        .ok_or_else(|| Problem::new(catalogue::TOKEN_MISSING))?;
    if values.next().is_some() {
        return Err(Problem::new(catalogue::TOKEN_UNKNOWN)
            .detail("the header Authorization stands there twice"));
    }
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Problem::new(catalogue::TOKEN_UNKNOWN))
}

fn refused(role: Role, roles: &[Role]) -> Problem {
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Problem::new(catalogue::ROLE).detail(format!(
        "this token is a {role}; needed is one of: {}",
        names.join(", ")
    ))
}
