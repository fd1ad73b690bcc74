//! A shard that is larger than a message may be is published as far as there is room.

use storelink_bus::{Bus, Publication, PublishError};
use storelink_events::hub::ItemParked;
use storelink_events::internal::ListingShard;
use storelink_events::{Envelope, subject};
use storelink_model::Sku;
use storelink_service::Connections;

use crate::SERVICE;
use crate::store::ShardRow;

/// What had no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// How many listings.
    pub(crate) listings: u64,
    /// The first of them.
    first: Sku,
}

/// The shard as it is published in at most `room` bytes: its first listings, in the order of their
/// codes, so that the same ones stay when it changes.
pub(crate) fn fit(mut shard: ListingShard, room: usize) -> (ListingShard, Vec<u8>, Option<Cut>) {
    let whole = json(&shard);
    if whole.len() <= room {
        return (shard, whole, None);
    }
    let all = std::mem::take(&mut shard.listings);
    let mut size = json(&shard).len();
    let mut rest = all.into_iter();
    let cut = rest.by_ref().find_map(|listing| {
        size += json(&listing).len() + 1;
        if size > room {
            return Some(listing.sku);
        }
        shard.listings.push(listing);
        None
    });
    let cut = cut.map(|first| Cut {
        listings: u64::try_from(rest.len() + 1).unwrap_or(u64::MAX),
        first,
    });
    let payload = json(&shard);
    (shard, payload, cut)
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Tells the tenant that a shard has more listings than it has room for.
pub(crate) async fn tell(
    bus: &Bus,
    connections: &Connections,
    shard: &ShardRow,
    cut: &Cut,
) -> Result<(), PublishError> {
    let ShardRow {
        connection, shard, ..
    } = shard;
    tracing::error!(%connection, shard, left_out = cut.listings, "a shard of listings is too large");
    let Some(linked) = connections.get(connection) else {
        return Ok(());
    };
    let tenant = linked.record.tenant.clone();
    let parked = ItemParked {
        item_id: format!("listings-{connection}-{shard}"),
        service: SERVICE.to_owned(),
        connection: Some(connection.clone()),
        entity: "listing".to_owned(),
        sku: Some(cut.first.clone()),
        external_id: None,
        code: "catalog.too_many_listings".to_owned(),
        text: format!(
            "{} listings from this code on have no room and are not written: the store has more \
             articles, or longer codes, than one connection can carry",
            cut.listings
        ),
    };
    let envelope = Envelope::new(tenant.clone(), format!("/services/{SERVICE}"), parked);
    let publication = Publication::new(subject::hub_item_parked(&tenant), envelope.to_json())
        .message_id(envelope.id.clone());
    bus.publish(publication).await.map(drop)
}
