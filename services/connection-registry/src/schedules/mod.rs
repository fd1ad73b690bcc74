//! Schedules: which entity of a connection is worked on, and when.

pub(crate) mod rhythm;
pub(crate) mod store;

use std::borrow::Cow;

use storelink_adapter_api::{Descriptor, EntityDefault, SystemKind};
use storelink_model::{ConnectionId, StoreZone, Timestamp};

use crate::connections::Connection;
use crate::questions;
pub(crate) use rhythm::Rhythm;

/// A schedule of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) connection: ConnectionId,
    pub(crate) entity: String,
    pub(crate) active: bool,
    pub(crate) rhythm: Rhythm,
    pub(crate) time_zone: StoreZone,
    pub(crate) next_run: Option<Timestamp>,
    /// The run that was begun last.
    pub(crate) last_run: Option<String>,
    /// Runs that were left out because the one before was not finished.
    pub(crate) skipped: i64,
}

impl Schedule {
    /// What an entity has before anybody touched its schedule: inactive, with the descriptor's
    /// rhythm.
    pub(crate) fn untouched(connection: &Connection, entity: &EntityDefault) -> Self {
        Self {
            connection: connection.id.clone(),
            entity: entity.entity.clone(),
            active: false,
            rhythm: Rhythm::proposed(entity.every_seconds),
            time_zone: connection.settings.time_zone.clone(),
            next_run: None,
            last_run: None,
            skipped: 0,
        }
    }

    /// When it runs next after an instant; none while inactive.
    pub(crate) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.active {
            return None;
        }
        let seed: Cow<'_, str> = format!("{} {}", self.connection, self.entity).into();
        Some(self.rhythm.next_after(now, &self.time_zone, &seed))
    }
}

/// What the descriptor says about an entity; none when the platform has no such.
pub(crate) fn entity<'a>(descriptor: &'a Descriptor, name: &str) -> Option<&'a EntityDefault> {
    descriptor
        .entities
        .iter()
        .find(|entity| entity.entity == name)
}

/// Whether the runs of an entity are reconciliations. A store's stock and prices are written as soon
/// as they change in the ERP; what runs on their schedule is the comparison with what the store shows.
pub(crate) fn is_reconciled(descriptor: &Descriptor, entity: &str) -> bool {
    descriptor.kind == SystemKind::Store && publisher(entity).is_some()
}

/// The service that compares an entity of a store.
pub(crate) fn publisher(entity: &str) -> Option<&'static str> {
    match entity {
        "stock" => Some(questions::STOCK),
        "prices" => Some(questions::PRICES),
        _ => None,
    }
}
