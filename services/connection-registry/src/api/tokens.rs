//! Tokens of the caller's tenant, for administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use storelink_model::Timestamp;
use utoipa::ToSchema;

use super::caller::Caller;
use super::extract::{Params, QueryOf};
use super::json::Body;
use super::page::{self, Listed, PageQuery};
use super::text::label;
use crate::access::Role;
use crate::cursors;
use crate::problem::{Answer, FieldError, Problem, catalogue};
use crate::registry::Shared;
use crate::tokens::{self, Token, TokenError, TokenPurpose};
use crate::{audit, ids};

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "tok_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "role": "publisher", "label": "ERP",
    "created": "2026-11-22T06:00:00Z", "last_used": "2026-11-22T06:30:00Z"
}))]
pub(crate) struct TokenView {
    /// Its id.
    id: String,
    /// What it may do.
    role: Role,
    /// What people call it.
    label: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
    /// When it was used last, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Timestamp>,
}

/// What a new token is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "publisher", "label": "ERP", "expires": "2027-11-22T00:00:00Z"}))]
pub(crate) struct WantedToken {
    /// What it may do.
    role: Role,
    /// What people call it, 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    label: String,
    /// When it ends by itself; never when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
}

/// A new token. Its text is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "tok_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "token": "slk_…"}))]
pub(crate) struct MadeToken {
    /// Its id.
    id: String,
    /// What callers send: keep it, it is shown this once.
    token: String,
}

#[derive(Deserialize)]
pub(crate) struct TokenPath {
    id: String,
}

/// List tokens
#[utoipa::path(get, path = "/v1/tokens", operation_id = "list_tokens", tag = "tokens", params(PageQuery),
    responses((status = 200, description = "A page, oldest first", body = Listed<TokenView>)))]
pub(crate) async fn list(
    State(registry): State<Shared>,
    caller: Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Answer<Listed<TokenView>> {
    let list_name = page::list_name(&caller.tenant, "/v1/tokens", &[]);
    let limit = query.request().limit()?;
    let after: Option<String> = query.request().place(&registry.key, &list_name)?;
    let after = after.unwrap_or_default();
    let wanted = i64::from(limit) + 1;
    let mut rows = tokens::list(&registry.database, &caller.tenant, &after, wanted).await?;
    let next = page::cut(&mut rows, limit)
        .map(|last| cursors::cursor(&registry.key, &list_name, &last.id));
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Listed::new(
        items,
        next,
        page::address("/v1/tokens", &[], query.limit),
    ))
}

/// Make a token
#[utoipa::path(post, path = "/v1/tokens", operation_id = "create_token", tag = "tokens", request_body = WantedToken,
    responses((status = 201, description = "The token, shown this once", body = MadeToken)))]
pub(crate) async fn create(
    State(registry): State<Shared>,
    caller: Caller,
    Body(wanted): Body<WantedToken>,
) -> Answer<Response> {
    let mut errors = Vec::new();
    let label = label("/label", &wanted.label, 120, &mut errors);
    if wanted
        .expires
        .is_some_and(|expires| expires <= Timestamp::now())
    {
        errors.push(FieldError::new(
            "/expires",
            "token.expires",
            "it is over already",
        ));
    }
    if !errors.is_empty() {
        return Err(Problem::new(catalogue::INVALID).errors(errors));
    }
    let purpose = TokenPurpose {
        tenant: caller.tenant.clone(),
        role: wanted.role,
        label,
        expires: wanted.expires,
    };
    let mut transaction = registry.database.begin().await?;
    let made = tokens::create(&mut transaction, &purpose)
        .await
        .map_err(|error| match error {
            TokenError::Database(error) => error.into(),
            other => Problem::internal(other),
        })?;
    let (actor, role) = (caller.actor(), purpose.role.as_str());
    audit::note(
        &mut transaction,
        &actor,
        "token.create",
        &made.id,
        None,
        Some(role),
    )
    .await?;
    transaction.commit().await?;
    let token = made.token.expose_secret().to_owned();
    Ok((StatusCode::CREATED, Json(MadeToken { id: made.id, token })).into_response())
}

/// Revoke a token
#[utoipa::path(delete, path = "/v1/tokens/{id}", operation_id = "revoke_token", tag = "tokens",
    params(("id" = String, Path, description = "The token")),
    responses((status = 204, description = "It counts no more")))]
pub(crate) async fn revoke(
    State(registry): State<Shared>,
    caller: Caller,
    Params(path): Params<TokenPath>,
) -> Answer<StatusCode> {
    if !ids::is_id("tok", &path.id) {
        return Err(Problem::not_found());
    }
    let mut transaction = registry.database.begin().await?;
    let token = tokens::get(&mut transaction, &caller.tenant, &path.id)
        .await?
        .ok_or_else(Problem::not_found)?;
    if token.role == Role::Admin
        && tokens::other_admins(&mut transaction, &caller.tenant, &token.id).await? == 0
    {
        return Err(Problem::new(catalogue::LAST_ADMIN));
    }
    tokens::revoke(&mut transaction, &token.id).await?;
    let actor = caller.actor();
    audit::note(
        &mut transaction,
        &actor,
        "token.revoke",
        &token.id,
        Some("valid"),
        None,
    )
    .await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            role: token.role,
            label: token.label,
            created: token.created,
            expires: token.expires,
            last_used: token.last_used,
            revoked: token.revoked,
        }
    }
}
