#![doc = include_str!("../README.md")]

#[cfg(feature = "system")]
pub mod api;
pub mod broker;
mod children;
#[cfg(feature = "database")]
pub mod database;
#[cfg(feature = "system")]
pub mod erp;
pub mod eventually;
#[cfg(feature = "system")]
pub mod hub;
#[cfg(feature = "system")]
pub mod judge;
#[cfg(feature = "system")]
pub mod load;
#[cfg(feature = "platform")]
pub mod platform;
#[cfg(feature = "system")]
pub mod processes;
#[cfg(feature = "system")]
pub mod stores;
#[cfg(feature = "system")]
pub mod system;
#[cfg(feature = "system")]
pub mod world;
