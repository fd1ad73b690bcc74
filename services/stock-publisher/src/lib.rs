#![doc = include_str!("../README.md")]

use storelink_lanes::kind::Stock;
pub use storelink_lanes::{MIGRATOR, PublisherError, settle_restored};
use storelink_service::ServiceContext;

/// The name of this service: of its database, its questions and its readiness check.
pub const SERVICE: &str = "stock-publisher";

/// Brings stock levels to every linked store until the context's shutdown.
///
/// # Errors
/// When it cannot start: the database cannot be opened, or the broker's connection is closed.
pub async fn run(context: ServiceContext) -> Result<(), PublisherError> {
    storelink_lanes::run::<Stock>(context).await
}
