//! The core against a store that does everything a store can do wrong.

mod single;
mod world;
