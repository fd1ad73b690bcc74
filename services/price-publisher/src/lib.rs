#![doc = include_str!("../README.md")]

use storelink_lanes::kind::Price;
pub use storelink_lanes::{MIGRATOR, PublisherError, settle_restored};
use storelink_service::ServiceContext;

/// The name of this service: of its database, its questions and its readiness check.
pub const SERVICE: &str = "price-publisher";

/// Brings prices to every linked store until the context's shutdown.
///
/// # Errors
/// When it cannot start: the database cannot be opened, or the broker's connection is closed.
pub async fn run(context: ServiceContext) -> Result<(), PublisherError> {
    storelink_lanes::run::<Price>(context).await
}
