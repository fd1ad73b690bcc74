#![doc = include_str!("../README.md")]

mod adapter;
mod api;
mod bounds;
mod codes;
mod credentials;
mod failure;
mod normalise;
mod orders;
mod own_address;
mod products;
mod refine;
mod rows;
mod shop;
mod verify;
mod walk;
mod wire;
mod writes;

pub use adapter::WooCommerce;
pub use codes::{CODES, Code};
