//! What a lane remembers over a restart: the last snapshot, and the attempts after it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_adapter_api::ItemOutcome;
use storelink_model::{Sku, Timestamp};

use crate::lane::PackedIds;

/// One letter per item of an attempt.
pub(crate) mod letter {
    /// The store confirmed the value.
    pub(crate) const CONFIRMED: char = 'c';
    /// The store refused it.
    pub(crate) const REJECTED: char = 'r';
    /// It is not known what became of it.
    pub(crate) const UNKNOWN: char = 'u';
    /// It is known that nothing happened.
    pub(crate) const NOT_SENT: char = 'n';
}

/// The letters of a whole answer.
pub(crate) fn letters(outcomes: &[ItemOutcome], items: usize) -> String {
    if outcomes.len() != items {
        return letter::UNKNOWN.to_string().repeat(items);
    }
    let of = |outcome: &ItemOutcome| match outcome {
        ItemOutcome::Confirmed => letter::CONFIRMED,
        ItemOutcome::Rejected { .. } => letter::REJECTED,
        ItemOutcome::Unknown => letter::UNKNOWN,
    };
    outcomes.iter().map(of).collect()
}

/// An item of an attempt as it stands in SQL: article, packed ids, value.
pub(crate) type PackedItem<W> = (Sku, String, W);
/// An article of a snapshot: article, packed ids, value, microseconds of its confirmation.
type SnapshotItem<W> = (Sku, String, W, i64);

/// The items of an attempt as one text, with the address that they were sent to.
pub(crate) fn pack_items<'a, W: Serialize + 'a>(
    address: &str,
    items: impl Iterator<Item = (&'a Sku, &'a PackedIds, &'a W)>,
) -> String {
    let items: Vec<_> = items
        .map(|(sku, ids, value)| (sku, ids.as_str(), value))
        .collect();
    serde_json::to_string(&(address, items)).unwrap_or_default()
}

/// Reads what [`pack_items`] wrote: the address and the items.
pub(crate) fn unpack_items<W: DeserializeOwned>(
    packed: &str,
) -> Result<(String, Vec<PackedItem<W>>), serde_json::Error> {
    serde_json::from_str(packed)
}

/// The body of a snapshot that knows of no article.
pub(crate) fn nothing_known() -> String {
    let items: [SnapshotItem<()>; 0] = [];
    serde_json::to_string(&("", items)).unwrap_or_default()
}

/// What the store is known to show, and what is not known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LaneMemory<W> {
    /// The last confirmed value by article.
    pub(crate) confirmed: BTreeMap<Sku, Confirmed<W>>,
    /// Articles of attempts whose answer was never noted: the store may have applied them, or may
    /// still do so.
    pub(crate) unfinished: BTreeSet<Sku>,
}

/// A value that the store confirmed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Confirmed<W> {
    /// Where: another store of the same name knows nothing of it.
    pub(crate) address: Arc<str>,
    pub(crate) ids: PackedIds,
    pub(crate) value: W,
    /// When; before 1970 when something was tried since of which it is not known whether it took effect.
    pub(crate) at: Timestamp,
}

impl<W> Confirmed<W> {
    fn doubt(&mut self) {
        self.at = Timestamp::from_micros(-1);
    }
}

impl<W> Default for LaneMemory<W> {
    fn default() -> Self {
        Self {
            confirmed: BTreeMap::new(),
            unfinished: BTreeSet::new(),
        }
    }
}

impl<W: Clone + Serialize + DeserializeOwned> LaneMemory<W> {
    /// The memory that a snapshot holds.
    pub(crate) fn from_snapshot(body: &str) -> Result<Self, serde_json::Error> {
        let (address, items): (String, Vec<SnapshotItem<W>>) = serde_json::from_str(body)?;
        let address: Arc<str> = address.into();
        let confirmed = items.into_iter().map(|(sku, ids, value, at)| {
            let at = Timestamp::from_micros(at);
            (
                sku,
                Confirmed {
                    address: address.clone(),
                    ids: PackedIds::from(ids.as_str()),
                    value,
                    at,
                },
            )
        });
        Ok(Self {
            confirmed: confirmed.collect(),
            unfinished: BTreeSet::new(),
        })
    }

    /// The body of a snapshot of these values of the store at this address.
    pub(crate) fn snapshot(
        address: &str,
        values: impl Iterator<Item = (Sku, PackedIds, W, Timestamp)>,
    ) -> String {
        let items: Vec<SnapshotItem<W>> = values
            .map(|(sku, ids, value, at)| (sku, ids.as_str().to_owned(), value, at.micros()))
            .collect();
        serde_json::to_string(&(address, items)).unwrap_or_default()
    }

    /// Adds an attempt at the store at an address; they come in the order in which they were made.
    pub(crate) fn replay(
        &mut self,
        address: &Arc<str>,
        items: Vec<PackedItem<W>>,
        answer: Option<(&str, Timestamp)>,
    ) {
        let Some((letters, at)) = answer else {
            for (sku, _, _) in items {
                self.confirmed.get_mut(&sku).map(Confirmed::doubt);
                self.unfinished.insert(sku);
            }
            return;
        };
        let mut letters = letters.chars();
        for (sku, ids, value) in items {
            match letters.next().unwrap_or(letter::UNKNOWN) {
                letter::CONFIRMED => {
                    let (ids, address) = (PackedIds::from(ids.as_str()), address.clone());
                    let confirmed = Confirmed {
                        address,
                        ids,
                        value,
                        at,
                    };
                    self.confirmed.insert(sku, confirmed);
                }
                letter::NOT_SENT => {}
                _ => {
                    self.confirmed.get_mut(&sku).map(Confirmed::doubt);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(text: &str) -> Sku {
        text.parse().unwrap()
    }

    fn item(code: &str, value: u32) -> PackedItem<u32> {
        (sku(code), format!("id-{code}"), value)
    }

    fn here() -> Arc<str> {
        "https://store.example".into()
    }

    fn at() -> Option<(&'static str, Timestamp)> {
        Some(("c", Timestamp::from_micros(9)))
    }

    #[test]
    fn the_last_attempt_decides_what_is_confirmed() {
        let mut memory = LaneMemory::<u32>::default();
        memory.replay(&here(), vec![item("A", 5)], at());
        memory.replay(
            &here(),
            vec![item("A", 4)],
            Some(("u", Timestamp::from_micros(10))),
        );
        // It was 5 before, and nobody knows whether it still is.
        let doubted = &memory.confirmed[&sku("A")];
        assert_eq!((doubted.value, doubted.at.micros()), (5, -1));
        memory.replay(&here(), vec![item("A", 3)], at());
        let confirmed = &memory.confirmed[&sku("A")];
        assert_eq!((confirmed.value, confirmed.at.micros()), (3, 9));
    }

    #[test]
    fn what_was_never_sent_changes_nothing_and_what_was_never_answered_is_unfinished() {
        let mut memory = LaneMemory::<u32>::default();
        memory.replay(
            &here(),
            vec![item("A", 5), item("B", 6)],
            Some(("cc", Timestamp::from_micros(9))),
        );
        memory.replay(
            &here(),
            vec![item("A", 4)],
            Some(("n", Timestamp::from_micros(10))),
        );
        assert_eq!(memory.confirmed[&sku("A")].value, 5);
        memory.replay(&here(), vec![item("B", 7)], None);
        assert_eq!(memory.confirmed[&sku("B")].at.micros(), -1);
        assert!(memory.unfinished.contains(&sku("B")));
        // A later answer confirms the value, but the late effect stays to be feared.
        memory.replay(&here(), vec![item("B", 8)], at());
        assert_eq!(memory.confirmed[&sku("B")].value, 8);
        assert!(memory.unfinished.contains(&sku("B")));
    }

    #[test]
    fn the_snapshot_that_knows_nothing_can_be_read() {
        let memory = LaneMemory::<u32>::from_snapshot(&nothing_known());
        assert_eq!(memory.unwrap(), LaneMemory::default());
    }

    #[test]
    fn a_snapshot_and_packed_items_come_back() {
        let ids = PackedIds::from("12\u{1f}7");
        let values = [(sku("a\"b"), ids.clone(), 7_u32, Timestamp::from_micros(3))];
        let body = LaneMemory::snapshot(&here(), values.into_iter());
        let memory = LaneMemory::<u32>::from_snapshot(&body).unwrap();
        let confirmed = &memory.confirmed[&sku("a\"b")];
        assert_eq!((&confirmed.ids, &confirmed.address), (&ids, &here()));
        let packed = pack_items(&here(), [(&sku("A"), &ids, &7_u32)].into_iter());
        assert_eq!(
            unpack_items::<u32>(&packed).unwrap(),
            (
                here().as_ref().to_owned(),
                vec![(sku("A"), "12\u{1f}7".to_owned(), 7)]
            )
        );
    }
}
