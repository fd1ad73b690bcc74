//! `POST /v1/events`: ERP events from systems without NATS.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use storelink_bus::Publication;
use storelink_events::erp::{self, ErpEvent, ErpReading};
use storelink_events::subject;
use storelink_model::{TenantId, Timestamp};
use time::Duration;
use utoipa::ToSchema;

use super::caller::Caller;
use super::json;
use crate::problem::{Answer, FieldError, Problem, catalogue};
use crate::registry::Shared;
use crate::tokens::hexadecimal;
use crate::{audit, trace};

const CLOUD_EVENT: &str = "application/cloudevents+json";
/// Times further ahead are refused: they would outrank every later value.
const MOST_AHEAD: Duration = Duration::seconds(60);

/// An event that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "01980f6e-1f4a-7d0c-9b1e-2a3b4c5d6e7f", "stream": "ERP_STOCK",
    "sequence": 4711, "duplicate": false}))]
pub(crate) struct AcceptedEvent {
    /// The event's own id.
    id: String,
    /// The stream that holds it until it is applied.
    stream: String,
    /// Its place there.
    sequence: u64,
    /// Whether the same event (source, id and content) was taken within the last minutes: then nothing
    /// new was stored.
    duplicate: bool,
}

/// Publish an ERP event
///
/// One CloudEvents 1.0 event in structured JSON: `storelink.stock.changed.v1`,
/// `storelink.price.changed.v1` or `storelink.product.changed.v1`, with 1 to 1,000 items. It is taken
/// whole or refused whole, with a pointer to each wrong member. Repeating it is harmless.
#[utoipa::path(post, path = "/v1/events", operation_id = "publish_event", tag = "events",
    request_body(content_type = "application/json", content = super::event_schema::ErpEventBody),
    responses((status = 202, description = "It is stored and will be applied",
        body = AcceptedEvent)))]
pub(crate) async fn publish(
    State(registry): State<Shared>,
    caller: Caller,
    request: Request,
) -> Answer<Response> {
    check_content_type(&request)?;
    let bytes = json::bytes(request).await?;
    json::check_unique(&bytes)?;
    json::check_object(&bytes)?;
    let reading = erp::read(&caller.tenant, &bytes).map_err(|refused| {
        refuse(
            refused
                .violations
                .into_iter()
                .map(FieldError::from)
                .collect(),
        )
    })?;
    if !reading.violations.is_empty() {
        return Err(refuse(
            reading
                .violations
                .into_iter()
                .map(FieldError::from)
                .collect(),
        ));
    }
    check_time(&reading)?;

    let publication = Publication::new(subject_of(&caller.tenant, &reading.event), bytes.clone())
        .headers(trace::headers(&caller.tenant))
        .message_id(message_id(&reading, &bytes));
    let published = registry.bus.publish(publication).await?;

    let mut transaction = registry.database.begin().await?;
    let (actor, object) = (caller.actor(), shown_id(&reading.id));
    audit::note(
        &mut transaction,
        &actor,
        "event.publish",
        &object,
        None,
        Some(&object),
    )
    .await?;
    transaction.commit().await?;
    let accepted = AcceptedEvent {
        id: reading.id,
        stream: published.stream,
        sequence: published.sequence,
        duplicate: published.duplicate,
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

fn check_content_type(request: &Request) -> Answer<()> {
    let value = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    if kind.trim().eq_ignore_ascii_case(CLOUD_EVENT) {
        return Ok(());
    }
    json::check_content_type(request.headers())
}

/// Where time decides which value is later, it must not be ahead of our clock.
fn check_time(reading: &ErpReading) -> Answer<()> {
    let by_time = match &reading.event {
        ErpEvent::Stock { items, .. } => items.iter().any(|item| item.revision.is_none()),
        ErpEvent::Price { items, .. } => items.iter().any(|item| item.revision.is_none()),
        ErpEvent::Product { items } => items.iter().any(|item| item.revision.is_none()),
    };
    if by_time && reading.time > Timestamp::now().saturating_add(MOST_AHEAD) {
        let detail = "it is more than 60 seconds ahead of this server's clock";
        return Err(refuse(vec![FieldError::new(
            "/time",
            "event.time_in_future",
            detail,
        )]));
    }
    Ok(())
}

fn refuse(errors: Vec<FieldError>) -> Problem {
    Problem::new(catalogue::EVENT_REFUSED).errors(errors)
}

fn subject_of(tenant: &TenantId, event: &ErpEvent) -> String {
    match event {
        ErpEvent::Stock { .. } => subject::erp_stock_changed(tenant),
        ErpEvent::Price { .. } => subject::erp_price_changed(tenant),
        ErpEvent::Product { .. } => subject::erp_product_changed(tenant),
    }
}

/// CloudEvents are unique by source and id, and only within a tenant: another one's event with the
/// same id is another event. So is one with other content: a publisher that counts its ids anew would
/// lose it otherwise, acknowledged; its versions say what of it counts.
fn message_id(reading: &ErpReading, bytes: &[u8]) -> String {
    let parts = [reading.tenant.as_str(), &reading.source, &reading.id];
    let content = hexadecimal(&Sha256::digest(bytes));
    format!("{}.{content}", parts.map(subject::token).join("."))
}

/// The id for the audit log: what a database cannot hold is left out.
fn shown_id(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_of_another_tenant_or_source_or_with_other_content_is_another_event() {
        let id = |tenant: &str, source: &str, id: &str, quantity: u8| {
            let body = format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"{source}","tenant":"{tenant}",
                "type":"storelink.stock.changed.v1","time":"2026-11-22T06:30:00Z","data":
                {{"warehouse":"main","items":[{{"sku":"A","quantity":{quantity}}}]}}}}"#
            );
            let reading = erp::read(&tenant.parse().unwrap(), body.as_bytes()).unwrap();
            message_id(&reading, body.as_bytes())
        };
        let base = id("a", "/erp", "1", 1);
        assert_eq!(base, id("a", "/erp", "1", 1));
        for other in [
            id("b", "/erp", "1", 1),
            id("a", "/shop", "1", 1),
            id("a", "/erp", "2", 1),
            id("a", "/erp", "1", 2),
        ] {
            assert_ne!(base, other);
        }
        assert_ne!(id("a", "a.a", "b", 1), id("a", "a", "a.b", 1));
    }
}
