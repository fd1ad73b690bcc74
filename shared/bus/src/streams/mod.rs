//! Streams, buckets and durable consumers as one table, and what keeps a server equal to it.
//!
//! The table is the only place that names them. [`apply`] creates what is missing and changes
//! what differs, [`ensure`] only creates, [`check`] compares and changes nothing, [`to_markdown`] prints the table for the
//! documentation.

mod apply;
mod consumers;
mod markdown;
mod matching;
mod spec;
mod table;

pub use apply::{ApplyError, Difference, apply, apply_consumer, check, check_consumer, ensure};
pub(crate) use apply::{ensure_consumer, ensure_stream};
pub use consumers::{
    ConsumerSpec, ERP_OUT_CONSUMER, ORDER_INGEST, PRICE_INTAKE, PRODUCT_CATALOG, PRODUCT_INTAKE,
    STOCK_INTAKE, STOCK_ORDERS, consumers, hooks, poller,
};
pub use markdown::to_markdown;
pub use matching::stream_for;
pub use spec::{Keep, Sizing, StreamSpec};
pub use table::{bucket_stream, names, stream, streams};
