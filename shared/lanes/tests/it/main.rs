//! The engine with a real broker and real databases.

mod bad_events;
mod batches;
mod broker_loss;
mod crashes;
mod failures;
mod floods;
mod freezes;
mod holds;
mod intake;
mod observing;
mod owners;
mod platform;
mod prices;
mod receipts;
mod reconcile;
mod replicas;
mod sequences;
mod settings;
mod world;
