//! WooCommerce stores, versions 11.0.1 and 7.9.0, as recorded.

mod auth;
mod call;
mod catalogue;
mod config;
mod error;
mod import;
mod json;
mod listing;
mod money;
mod order;
mod order_edit;
mod order_money;
mod order_routes;
mod order_view;
mod order_write;
mod pages;
mod params;
mod product;
mod product_batch;
mod product_routes;
mod product_view;
mod product_write;
mod refund;
mod route;
mod setting_routes;
mod shop;
mod site_time;
mod spec;
mod state;
mod store;
mod view;
mod webhook;
mod webhook_routes;

pub use import::Snapshot;
pub use spec::{ApiKey, Catalogue, Permission, ProductSpec, Role, StoreSpec, TaxRate, Version};
pub(crate) use store::WooStore;
