//! Settings that change listings.

use storelink_model::ConnectionId;
use storelink_persistence::{Database, DbError, args};
use storelink_service::Connections;

use crate::store;

/// Whether listings of a connection are made of active articles only; so they are while its settings
/// are not known.
pub(crate) fn only_active(connections: &Connections, id: &ConnectionId) -> bool {
    connections
        .get(id)
        .is_none_or(|linked| linked.record.settings.only_active_products)
}

/// Makes the listings of every connection anew whose choice is another one than they were made with.
pub(crate) async fn follow(database: &Database, connections: &Connections) -> Result<(), DbError> {
    let known = store::connections(database).await?;
    for linked in connections.all() {
        let id = &linked.record.id;
        let before = known.get(id).copied().flatten();
        let chosen = linked.record.settings.only_active_products;
        if before != Some(chosen) {
            choose(database, id, before, chosen).await?;
        }
    }
    Ok(())
}

async fn choose(
    database: &Database,
    id: &ConnectionId,
    before: Option<bool>,
    chosen: bool,
) -> Result<(), DbError> {
    let mut transaction = database.begin().await?;
    transaction
        .execute(
            "INSERT INTO connections (connection, changes, only_active) VALUES ($1, 1, $2) \
             ON CONFLICT (connection) DO UPDATE SET only_active = excluded.only_active",
            args![id.as_str(), chosen],
        )
        .await?;
    // Without a choice the listings were made of active articles only.
    if before.unwrap_or(true) != chosen {
        store::touch_all(&mut transaction, id).await?;
    }
    transaction.commit().await
}
