//! The adapter against recordings of real stores and against stores that are made to misbehave:
//! every exchange goes through the real HTTP client and the adapter's public methods.

mod expected_errors;
mod expected_orders;
mod expected_products;
mod expected_verification;
mod expected_writes;
mod facts;
mod mutations;
mod playing;
mod recording;
mod replay;
mod rig;
mod writing;
