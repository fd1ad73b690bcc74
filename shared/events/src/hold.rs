//! Holds: quantities that are kept back from what is published, in the bucket `holds`.
//!
//! One key per tenant and SKU holds all holds of that SKU, so that a change touches one key. A SKU
//! whose last hold was cancelled keeps its key with an empty list: a bucket that was lost is whole
//! again when every key is back.

use serde::{Deserialize, Serialize};
use storelink_model::{ConnectionId, Quantity, Sku, TenantId, Timestamp};

/// All holds of one SKU of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SkuHolds {
    /// Whose.
    pub tenant: TenantId,
    /// Which SKU.
    pub sku: Sku,
    /// The revision of this record; a later one replaces an earlier one.
    pub revision: u64,
    /// The holds, oldest first; none when all were cancelled or are over.
    pub holds: Vec<Hold>,
}

/// One hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub id: String,
    /// How much is kept back, above zero.
    pub quantity: Quantity,
    /// From which connections; from all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionId>,
    /// When it is over; never by itself when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Hold {
    /// Whether it keeps something back from this connection now.
    #[must_use]
    pub fn counts(&self, connection: &ConnectionId, now: Timestamp) -> bool {
        let chosen = self.connections.is_empty() || self.connections.contains(connection);
        chosen && self.until.is_none_or(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_counts_for_its_connections_until_its_time_is_over() {
        let (one, other) = (ConnectionId::generate(), ConnectionId::generate());
        let at = Timestamp::from_micros;
        let mut hold = Hold {
            id: "hld_1".to_owned(),
            quantity: "3".parse().unwrap(),
            connections: vec![one.clone()],
            until: Some(at(10)),
        };
        assert!(hold.counts(&one, at(9)));
        assert!(!hold.counts(&one, at(10)));
        assert!(!hold.counts(&other, at(9)));
        hold.connections.clear();
        hold.until = None;
        assert!(hold.counts(&other, at(i64::MAX / 2)));
    }
}
