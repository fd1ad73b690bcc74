#![doc = include_str!("../README.md")]

mod access;
mod adapter;
mod descriptor;
mod diagnosis;
mod error;
mod read;
mod write;

pub use access::{
    CapabilityProfile, Credentials, Denied, OpenGate, Permit, Purpose, RequestGate, StoreAccess,
};
pub use adapter::{Adapters, Limits, StoreAdapter};
pub use descriptor::{
    Capabilities, Descriptor, EntityDefault, Field, FieldKind, Guide, GuideStep, Lifecycle,
    SystemKind,
};
pub use diagnosis::{Check, CheckStatus, Diagnosis, DiagnosisStatus};
pub use error::{AdapterError, ErrorClass};
pub use read::{
    Article, OrderHead, OrderHeads, OrderPage, OrderReading, OrderWindow, Position, ProductPage,
    ProductReading, ProductWindow, StockKeeping, StoreIds, Unreadable, UnreadableProduct,
};
pub use write::{ItemOutcome, PriceWrite, SalePrice, StockWrite, ValueKind, WriteGroup};
