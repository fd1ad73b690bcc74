#![doc = include_str!("../README.md")]

mod absences;
mod connections;
mod context;
mod gate;
mod holds;
mod linked;
mod pace;
mod places;
mod pressure;
mod refill;
mod rejection;
#[cfg(feature = "simulation")]
pub mod simulation;
mod tenants;

pub use absences::{AbsenceError, Absences};
pub use connections::Connections;
pub use context::{ServiceContext, ServiceParts, StartError};
pub use holds::{HoldsEvent, HoldsWatch};
pub use linked::{AccessError, LinkedConnection};
pub use pace::PaceBucket;
pub use rejection::reject_event;
pub use tenants::{AnyTenant, TENANT_AGAIN, TenantKnown, Tenants, tenant_known};
