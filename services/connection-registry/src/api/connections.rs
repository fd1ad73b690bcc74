//! `/v1/connections`: drafts, reading, editing, deleting.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use storelink_adapter_api::{Credentials, Descriptor};
use storelink_events::connection::ConnectionSettings;
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::DbError;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::extract::{OwnConnection, QueryOf, check_if_match};
use super::json::Body;
use super::page::{Listed, PageQuery};
use super::text::label;
use super::views::ConnectionView;
use crate::audit;
use crate::connections::credentials::SealedCredentials;
use crate::connections::fields::EnteredCredentials;
use crate::connections::store::{self, Filter, NewDraft};
use crate::connections::{Connection, address, credentials, fields, settings, state_named};
use crate::cursors;
use crate::problem::{Answer, FieldError, Problem, catalogue};
use crate::registry::{Registry, Shared};

const LONGEST_NAME: usize = 120;

/// A new draft. Everything but the platform may come later.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "platform": "woocommerce",
    "name": "WooCommerce Celje",
    "address": "https://shop.example.com",
    "credentials": {"consumer_key": "ck_…", "consumer_secret": "cs_…"},
    "settings": {"warehouses": ["main"], "price_list": {"code": "B2C", "audience": "b2c"}}
}))]
pub(crate) struct NewConnection {
    /// What it is; never changes.
    platform: String,
    /// What people call it, 1 to 120 characters, unique; the platform's title when left out.
    #[schema(min_length = 1, max_length = 120)]
    name: Option<String>,
    /// The store's address.
    address: Option<String>,
    /// Its keys by the field names of the platform.
    #[serde(default)]
    #[schema(value_type = Object)]
    credentials: EnteredCredentials,
    /// What the merchant chooses; members left out have their defaults.
    #[serde(default)]
    #[schema(schema_with = super::schemas::connection_settings, required = false)]
    settings: Option<Value>,
}

/// A JSON merge patch of a connection. Address and credentials of an active connection wait until
/// they are verified and activated; null takes them away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "WooCommerce Maribor", "settings": {"reserve": "2"}}))]
pub(crate) struct ConnectionPatch {
    /// Its new name.
    #[schema(min_length = 1, max_length = 120)]
    name: Option<String>,
    /// Its new address.
    #[serde(default, deserialize_with = "super::text::nullable")]
    #[schema(value_type = Option<String>)]
    address: Option<Option<String>>,
    /// New keys by field name.
    #[serde(default, deserialize_with = "super::text::nullable")]
    #[schema(value_type = Option<Object>)]
    credentials: Option<Option<EnteredCredentials>>,
    /// Changed settings.
    #[schema(schema_with = super::schemas::connection_settings, required = false)]
    settings: Option<Value>,
}

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConnectionsQuery {
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 when left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only of this platform.
    platform: Option<String>,
    /// Only in this state.
    state: Option<String>,
}

/// Save a draft
///
/// Nothing is asked of the store yet. What is entered is kept, so that keys which a store shows only
/// once survive a closed window.
#[utoipa::path(post, path = "/v1/connections", operation_id = "create_connection", tag = "connections", request_body = NewConnection,
    responses((status = 201, description = "The draft", body = ConnectionView)))]
pub(crate) async fn create(
    State(registry): State<Shared>,
    caller: Caller,
    Body(mut entered): Body<NewConnection>,
) -> Answer<Response> {
    let platform = entered.platform.parse().ok();
    let adapter = platform
        .as_ref()
        .and_then(|platform| registry.adapters.get(platform));
    let (Some(platform), Some(adapter)) = (&platform, adapter) else {
        return Err(Problem::member(
            "/platform",
            "platform.unknown",
            format!(
                "there is no such platform; there is {}",
                known_platforms(&registry)
            ),
        ));
    };
    let descriptor = adapter.descriptor();
    let mut errors = Vec::new();
    let name = entered
        .name
        .map(|name| label("/name", &name, LONGEST_NAME, &mut errors));
    let address = check_address(descriptor, entered.address.as_deref(), &mut errors);
    fields::check_credentials(descriptor, &mut entered.credentials, &mut errors);
    refuse_if_any(errors)?;
    let patch = entered
        .settings
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let now = Timestamp::now();
    let settings = settings::patched(descriptor, &ConnectionSettings::starting(now), patch, now)?;

    let id = ConnectionId::generate();
    let keys = credentials::merged(&Credentials::default(), entered.credentials);
    let sealed = match keys.names().next() {
        Some(_) => Some(credentials::seal(&registry.vault, &id, &keys)?),
        None => None,
    };
    let names = match name {
        Some(name) => vec![name],
        None => proposed_names(&descriptor.title),
    };
    for name in &names {
        let draft = NewDraft {
            id: &id,
            tenant: &caller.tenant,
            platform,
            name,
            settings: &settings,
            address: address.as_deref(),
            credentials: sealed.as_ref(),
        };
        match registry.insert(&caller, &draft).await {
            Ok(()) => break,
            Err(error) if error.is_unique_violation() && Some(name) != names.last() => {}
            Err(error) => return Err(name_taken(error)),
        }
    }
    let connection = registry.reload(&caller, &id).await?;
    let location = format!("/v1/connections/{id}");
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        shown(connection),
    )
        .into_response())
}

/// List connections
#[utoipa::path(get, path = "/v1/connections", operation_id = "list_connections", tag = "connections", params(ConnectionsQuery),
    responses((status = 200, description = "A page, oldest first", body = Listed<ConnectionView>)))]
pub(crate) async fn list(
    State(registry): State<Shared>,
    caller: Caller,
    QueryOf(query): QueryOf<ConnectionsQuery>,
) -> Answer<Listed<ConnectionView>> {
    let refused =
        |what: &str| Problem::new(catalogue::QUERY_INVALID).detail(format!("no such {what}"));
    if query
        .platform
        .as_ref()
        .is_some_and(|name| name.parse::<storelink_model::Platform>().is_err())
    {
        return Err(refused("platform"));
    }
    if query
        .state
        .as_ref()
        .is_some_and(|name| state_named(name).is_none())
    {
        return Err(refused("state"));
    }
    let page = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    };
    let filter = Filter {
        platform: query.platform.as_deref(),
        state: query.state.as_deref(),
    };
    let parameters = [("platform", filter.platform), ("state", filter.state)];
    let address = super::page::address("/v1/connections", &parameters, page.limit);
    let list_name = super::page::list_name(&caller.tenant, "/v1/connections", &parameters);

    let limit = page.request().limit()?;
    let after: Option<String> = page.request().place(&registry.key, &list_name)?;
    let after = after.unwrap_or_default();
    let wanted = i64::from(limit) + 1;
    let mut rows = store::list(&registry.database, &caller.tenant, &filter, &after, wanted).await?;
    let next = super::page::cut(&mut rows, limit)
        .map(|last| cursors::cursor(&registry.key, &list_name, &last.id));
    Ok(Listed::new(
        rows.into_iter().map(Into::into).collect(),
        next,
        address,
    ))
}

/// Read a connection
#[utoipa::path(get, path = "/v1/connections/{id}", operation_id = "read_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection")),
    responses((status = 200, description = "The connection", body = ConnectionView,
        headers(("ETag" = String, description = "For If-Match")))))]
pub(crate) async fn read(OwnConnection(connection): OwnConnection) -> Response {
    shown(connection)
}

/// Change a connection
///
/// A JSON merge patch. `If-Match` with the ETag of a reading refuses the change when somebody else
/// was faster.
#[utoipa::path(patch, path = "/v1/connections/{id}", operation_id = "change_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read")),
    request_body(content = ConnectionPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The connection", body = ConnectionView,
        headers(("ETag" = String, description = "For If-Match")))))]
pub(crate) async fn change(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(found): OwnConnection,
    headers: HeaderMap,
    Body(patch): Body<ConnectionPatch>,
) -> Answer<Response> {
    let mut transaction = registry.database.begin().await?;
    let before = store::lock(&mut transaction, &caller.tenant, &found.id)
        .await?
        .ok_or_else(Problem::not_found)?;
    check_if_match(&headers, &etag(&before))?;
    let after = registry.patched(before.clone(), patch)?;
    let record_changed = after.name != before.name || after.settings != before.settings;
    store::update_entered(&mut transaction, &after, record_changed)
        .await
        .map_err(name_taken)?;
    let texts = (before.audit_text(), after.audit_text());
    let actor = caller.actor();
    let id = found.id.as_str();
    audit::note(
        &mut transaction,
        &actor,
        "connection.change",
        id,
        Some(&texts.0),
        Some(&texts.1),
    )
    .await?;
    transaction.commit().await?;
    registry.publish_soon(&found.id).await;
    Ok(shown(registry.reload(&caller, &found.id).await?))
}

/// Delete a connection
///
/// Nothing is written to its store any more. Keys and settings are forgotten, orders stay.
#[utoipa::path(delete, path = "/v1/connections/{id}", operation_id = "delete_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(found): OwnConnection,
) -> Answer<StatusCode> {
    let mut transaction = registry.database.begin().await?;
    let before = store::lock(&mut transaction, &caller.tenant, &found.id)
        .await?
        .ok_or_else(Problem::not_found)?;
    store::delete(&mut transaction, &found.id).await?;
    let (actor, text) = (caller.actor(), before.audit_text());
    audit::note(
        &mut transaction,
        &actor,
        "connection.delete",
        found.id.as_str(),
        Some(&text),
        None,
    )
    .await?;
    transaction.commit().await?;
    registry.publish_soon(&found.id).await;
    Ok(StatusCode::NO_CONTENT)
}

impl Registry {
    async fn insert(&self, caller: &Caller, draft: &NewDraft<'_>) -> Result<(), DbError> {
        let mut transaction = self.database.begin().await?;
        store::insert(&mut transaction, draft).await?;
        let (actor, id) = (caller.actor(), draft.id.as_str());
        audit::note(
            &mut transaction,
            &actor,
            "connection.create",
            id,
            None,
            Some(draft.name),
        )
        .await?;
        transaction.commit().await
    }

    /// The connection as it is now, for the answer to a change.
    pub(crate) async fn reload(&self, caller: &Caller, id: &ConnectionId) -> Answer<Connection> {
        store::get(&self.database, &caller.tenant, id)
            .await?
            .ok_or_else(Problem::not_found)
    }

    fn patched(&self, mut row: Connection, mut patch: ConnectionPatch) -> Answer<Connection> {
        let descriptor = self.adapter_of(&row)?.descriptor();
        let mut errors = Vec::new();
        if let Some(name) = patch.name {
            row.name = label("/name", &name, LONGEST_NAME, &mut errors);
        }
        if let Some(entered) = patch.address {
            row.draft_address = check_address(descriptor, entered.as_deref(), &mut errors);
        }
        if let Some(Some(entered)) = &mut patch.credentials {
            fields::check_credentials(descriptor, entered, &mut errors);
        }
        refuse_if_any(errors)?;
        if let Some(entered) = patch.credentials {
            let sealed = match entered {
                Some(entered) => self.entered_credentials(&row, entered)?,
                None => None,
            };
            (row.draft_credentials, row.draft_hints) = match sealed {
                Some(sealed) => (Some(sealed.sealed), Some(sealed.hints)),
                None => (None, None),
            };
        }
        if let Some(patch) = patch.settings {
            row.settings = settings::patched(descriptor, &row.settings, patch, row.created)?;
        }
        // The address in use is no change.
        if row.draft_address == row.address {
            row.draft_address = None;
        }
        Ok(row)
    }

    /// What was entered, on top of what was there; none when that are the credentials in use.
    fn entered_credentials(
        &self,
        row: &Connection,
        entered: EnteredCredentials,
    ) -> Answer<Option<SealedCredentials>> {
        // Keys that cannot be opened any more must not hinder new ones: those replace them whole.
        let open = |sealed: &str| credentials::open(&self.vault, &row.id, sealed).ok();
        let current = row.candidate_credentials().and_then(open);
        let keys = credentials::merged(&current.unwrap_or_default(), entered);
        let in_use = row.credentials.as_deref().and_then(open);
        if in_use.is_some_and(|in_use| credentials::equal(&in_use, &keys)) {
            return Ok(None);
        }
        credentials::seal(&self.vault, &row.id, &keys).map(Some)
    }
}

fn check_address(
    descriptor: &Descriptor,
    entered: Option<&str>,
    errors: &mut Vec<FieldError>,
) -> Option<String> {
    let text = entered?;
    if !fields::has_address(descriptor) {
        let detail = format!("{} has no address", descriptor.title);
        errors.push(FieldError::new("/address", "address.unknown", detail));
        return None;
    }
    address::normalised(text)
        .map_err(|(code, detail)| errors.push(FieldError::new("/address", code, detail)))
        .ok()
}

fn known_platforms(registry: &Registry) -> String {
    let names: Vec<&str> = registry
        .adapters
        .iter()
        .map(|(platform, _)| platform.as_str())
        .collect();
    names.join(", ")
}

fn refuse_if_any(errors: Vec<FieldError>) -> Answer<()> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::new(catalogue::INVALID).errors(errors))
    }
}

fn proposed_names(title: &str) -> Vec<String> {
    let numbered = (2..=100).map(|number| format!("{title} {number}"));
    std::iter::once(title.to_owned()).chain(numbered).collect()
}

fn name_taken(error: DbError) -> Problem {
    if error.is_unique_violation() {
        let place = FieldError::new(
            "/name",
            "connection.name_taken",
            "another connection has it",
        );
        return Problem::new(catalogue::NAME_TAKEN).errors(vec![place]);
    }
    error.into()
}

/// The ETag of a connection: every change by a person makes another one.
pub(crate) fn etag(connection: &Connection) -> String {
    format!("\"{}\"", connection.version)
}

/// The answer that shows a connection, with its ETag.
pub(crate) fn shown(connection: Connection) -> Response {
    let etag = HeaderValue::from_str(&etag(&connection)).ok();
    let mut response = Json(ConnectionView::from(connection)).into_response();
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}
