//! The engine with a real broker and real databases.

mod batches;
mod broker_loss;
mod crashes;
mod failures;
mod freezes;
mod intake;
mod owners;
mod platform;
mod prices;
mod receipts;
mod replicas;
mod reconcile;
mod settings;
mod world;
