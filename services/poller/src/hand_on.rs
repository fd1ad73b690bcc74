//! Publishing what was read.

use serde_json::value::RawValue;
use storelink_adapter_api::{OrderReading, ProductReading, Unreadable};
use storelink_bus::{Publication, PublishError, TraceContext};
use storelink_events::internal::{OrderRead, ProductRead};
use storelink_events::{connection::ConnectionRecord, subject};
use storelink_model::Timestamp;
use storelink_telemetry::trace_context;

use crate::PollerError;
use crate::handover::Acknowledged;
use crate::read_streams::ReadStreams;

/// Publications whose acknowledgement is outstanding, for one page.
const WINDOW: usize = 64;

/// Which read something came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadMark<'a> {
    pub(crate) record: &'a ConnectionRecord,
    pub(crate) number: i64,
    pub(crate) at: Timestamp,
    /// The trace of the run.
    pub(crate) run_trace: Option<&'a str>,
}

/// Publishes orders and waits for all acknowledgements. Gives those that are stored, also when others
/// failed.
pub(crate) async fn orders(
    bus: &dyn ReadStreams,
    mark: ReadMark<'_>,
    orders: Vec<OrderReading>,
) -> (Vec<Acknowledged>, Result<(), PollerError>) {
    let mut window = bus.window(WINDOW);
    let mut ids = Vec::with_capacity(orders.len());
    let mut outcome = Ok(());
    for order in orders {
        let id = order.external_id.clone();
        match order_publication(bus, mark, order) {
            Ok(publication) => {
                window.push(publication).await;
                ids.push(id);
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    let mut stored = Vec::with_capacity(ids.len());
    for (id, result) in ids.into_iter().zip(window.settle().await) {
        match result {
            Ok(published) => stored.push(Acknowledged {
                external_id: id,
                read_number: mark.number,
                sequence: published.sequence,
            }),
            Err(error) => outcome = outcome.and(Err(error.into())),
        }
    }
    (stored, outcome)
}

/// Each order begins a trace of its own that is linked to the run: it goes on up to the hub event.
fn order_publication(
    bus: &dyn ReadStreams,
    mark: ReadMark<'_>,
    reading: OrderReading,
) -> Result<Publication, PollerError> {
    let record = mark.record;
    let span = tracing::info_span!(
        parent: None,
        "order.read",
        connection = %record.id,
        platform = %record.platform,
        read_number = mark.number,
    );
    if let Some(run) = mark.run_trace {
        trace_context::link_from(&span, run);
    }
    let trace = span.in_scope(trace_context::traceparent);

    let subject = subject::order(&record.platform, &record.id, &reading.external_id);
    let message_id = format!(
        "{}:{}:{}",
        record.id,
        subject::token(&reading.external_id),
        mark.number
    );
    let (order, unreadable) = match reading.order {
        Ok(order) => (Some(order), None),
        Err(reason) => (None, Some(reason)),
    };
    let mut read = OrderRead {
        tenant: record.tenant.clone(),
        connection: record.id.clone(),
        platform: record.platform.clone(),
        external_id: reading.external_id,
        read_number: mark.number,
        read_at: mark.at,
        raw: reading.raw,
        order,
        unreadable,
    };
    let mut body = encode(&read)?;
    if body.len() > largest_order(bus) {
        let size = body.len();
        read = without_content(read, size)?;
        body = encode(&read)?;
    }
    let publication = Publication::new(subject, body).message_id(message_id);
    Ok(
        match trace.and_then(|trace| TraceContext::new(&trace, None)) {
            Some(trace) => publication.trace(&trace),
            None => publication,
        },
    )
}

/// What an order may have at most: the stream's limit and the server's, with room for headers.
fn largest_order(bus: &dyn ReadStreams) -> usize {
    let stream = storelink_bus::streams::stream(storelink_bus::streams::names::ORDERS);
    let of_stream = stream.and_then(|spec| usize::try_from(spec.max_message).ok());
    of_stream
        .unwrap_or(usize::MAX)
        .min(bus.max_payload())
        .saturating_sub(4096)
}

/// An order that no message holds is handed on without its content, so that it is seen and parked.
fn without_content(read: OrderRead, size: usize) -> Result<OrderRead, PollerError> {
    let raw = RawValue::from_string(format!(r#"{{"omitted_bytes":{size}}}"#))
        .map_err(|error| PollerError::Encode(error.to_string()))?;
    let unreadable = Unreadable {
        code: "order.too_large".to_owned(),
        text: format!("the order has {size} bytes, more than one message holds"),
    };
    Ok(OrderRead {
        raw,
        order: None,
        unreadable: Some(unreadable),
        ..read
    })
}

/// Publishes products and waits for all acknowledgements. Gives how many were left out because no
/// message holds them.
pub(crate) async fn products(
    bus: &dyn ReadStreams,
    mark: ReadMark<'_>,
    products: Vec<ProductReading>,
) -> Result<u64, PollerError> {
    let record = mark.record;
    let trace = mark
        .run_trace
        .and_then(|trace| TraceContext::new(trace, None));
    let mut window = bus.window(WINDOW);
    for product in products {
        let subject = subject::product(&record.id, &product.external_id);
        let read = ProductRead {
            tenant: record.tenant.clone(),
            connection: record.id.clone(),
            read_number: mark.number,
            read_at: mark.at,
            external_id: product.external_id.clone(),
            product: Some(product),
        };
        let publication = Publication::new(subject, encode(&read)?);
        window
            .push(match &trace {
                Some(trace) => publication.trace(trace),
                None => publication,
            })
            .await;
    }
    let mut left_out = 0;
    for result in window.settle().await {
        match result {
            Ok(_) => {}
            // One product with too many variations for a message must not stop the catalogue.
            Err(PublishError::TooLarge { subject, size }) => {
                left_out += 1;
                tracing::error!(
                    subject,
                    size,
                    code = "product.too_large",
                    "a product is left out"
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(left_out)
}

fn encode(value: &impl serde::Serialize) -> Result<Vec<u8>, PollerError> {
    serde_json::to_vec(value).map_err(|error| PollerError::Encode(error.to_string()))
}
