//! The engine with a real broker and real databases.

mod batches;
mod broker_loss;
mod crashes;
mod failures;
mod intake;
mod owners;
mod platform;
mod prices;
mod receipts;
mod sequences;
mod settings;
mod world;
