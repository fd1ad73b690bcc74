//! Settings that change listings, and connections that end.

use std::collections::HashSet;

use storelink_model::ConnectionId;
use storelink_persistence::{Database, DbError, args};
use storelink_service::{Connections, LinkedConnection};

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
    for linked in connections.all() {
        follow_one(database, &linked).await?;
    }
    Ok(())
}

async fn follow_one(database: &Database, linked: &LinkedConnection) -> Result<(), DbError> {
    let id = &linked.record.id;
    let chosen = linked.record.settings.only_active_products;
    let known = database
        .fetch_optional(
            "SELECT only_active FROM choices WHERE connection = $1",
            args![id.as_str()],
        )
        .await?;
    let before = known.map(|row| row.bool("only_active")).transpose()?;
    if before == Some(chosen) {
        return Ok(());
    }
    let mut transaction = database.begin().await?;
    transaction
        .execute(
            "INSERT INTO choices (connection, only_active) VALUES ($1, $2) \
             ON CONFLICT (connection) DO UPDATE SET only_active = excluded.only_active",
            args![id.as_str(), chosen],
        )
        .await?;
    if before.is_some() {
        store::touch_all(&mut transaction, id).await?;
    }
    transaction.commit().await
}

/// Forgets the articles of connections that were there and are gone: their shards become empty. A
/// connection that was never seen by this process is left alone, since its record may only be late.
pub(crate) async fn forget_deleted(
    database: &Database,
    connections: &Connections,
    seen: &mut HashSet<ConnectionId>,
) -> Result<(), DbError> {
    let there: HashSet<ConnectionId> = connections
        .all()
        .iter()
        .map(|linked| linked.record.id.clone())
        .collect();
    for gone in seen.difference(&there) {
        let mut transaction = database.begin().await?;
        let id = || args![gone.as_str()];
        transaction
            .execute("DELETE FROM articles WHERE connection = $1", id())
            .await?;
        transaction
            .execute("DELETE FROM products WHERE connection = $1", id())
            .await?;
        transaction
            .execute("DELETE FROM choices WHERE connection = $1", id())
            .await?;
        transaction
            .execute(
                "UPDATE shards SET revision = revision + 1 WHERE connection = $1",
                id(),
            )
            .await?;
        transaction.commit().await?;
    }
    *seen = there;
    Ok(())
}
