#![doc = include_str!("../README.md")]

mod action;
mod client;
mod clock;
mod control;
mod faults;
mod http;
mod ledger;
mod outgoing;
mod platform;
mod server;
mod simulators;
pub mod woocommerce;

pub use action::{
    Action, ActionError, AddressSpec, Article, CouponSpec, FeeSpec, OrderLineSpec, OrderSpec,
    OrderSummary, RefundLineSpec, RefundSpec, ShippingSpec,
};
pub use client::{ClientError, SimulatorClient, StoreInfo};
pub use clock::{Clock, ClockSetting};
pub use control::ControlServer;
pub use faults::{Fault, FaultEffect, FaultMatch, FaultPage, Noise, Requests};
pub use http::{Reply, Request};
pub use ledger::{Effect, Ledger, LedgerEntry, LedgerFilter, LedgerPage, Source, UnderWay};
pub use outgoing::{Answer, send};
pub use simulators::{SimulatorError, Simulators, StoreHandle};
