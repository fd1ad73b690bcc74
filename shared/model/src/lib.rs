#![doc = include_str!("../README.md")]

mod decimal;
mod identifier;
mod invalid;
mod money;
mod quantity;
#[cfg(feature = "simulated-clock")]
pub mod simulated_clock;
mod sku;
mod text;
mod timestamp;
mod unique;
mod version;
mod zone;

pub use identifier::{ConnectionId, OrderId, Platform, PriceListCode, TenantId, WarehouseCode};
pub use invalid::InvalidValue;
pub use money::{Amount, Currency, Money, TaxRate};
pub use quantity::Quantity;
pub use sku::Sku;
pub use timestamp::Timestamp;
pub use unique::unique_id;
pub use version::{Version, VersionMismatch, VersionOrder};
pub use zone::{LocalTime, StoreZone};
