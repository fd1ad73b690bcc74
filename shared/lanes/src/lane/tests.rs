//! The core against a store that does everything a store can do wrong.

mod drift;
mod flood;
mod guard;
mod listings;
mod orders;
mod single;
mod world;
