use storelink_model::Timestamp;
use storelink_planted_faults::planted;

/// What is known of an order from its last handover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The fingerprint of its content.
    pub content_hash: String,
    /// The number of the last read that showed it so.
    pub read_number: i64,
    /// When the store last touched it.
    pub modified: Option<Timestamp>,
    /// Whether the stream acknowledged this content.
    pub stored: bool,
}

/// An order as it was just read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The store's id.
    pub external_id: String,
    /// The fingerprint of its content.
    pub content_hash: String,
    /// The number of the read.
    pub read_number: i64,
    /// When the store last touched it.
    pub modified: Option<Timestamp>,
}

/// What happens to an order that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handover {
    /// It is published.
    Publish,
    /// The ledger has it or will have it from the stream.
    Known,
    /// A read that began later was handled already.
    Overtaken,
}

/// Decides about one order. `always` hands on what is known too, never what is overtaken.
pub(crate) fn decide(kept: Option<&Kept>, seen: &Seen, always: bool) -> Handover {
    match kept {
        None => Handover::Publish,
        Some(kept) if kept.read_number > seen.read_number => Handover::Overtaken,
        Some(kept)
            if !always
                && (kept.stored || planted!(RowTakenForStored))
                && kept.content_hash == seen.content_hash =>
        {
            Handover::Known
        }
        Some(_) => Handover::Publish,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(content: &str, read_number: i64, stored: bool) -> Kept {
        Kept {
            content_hash: content.into(),
            read_number,
            modified: None,
            stored,
        }
    }

    fn seen(content: &str, read_number: i64) -> Seen {
        Seen {
            external_id: "1".into(),
            content_hash: content.into(),
            read_number,
            modified: None,
        }
    }

    #[test]
    fn news_is_published_and_what_is_acknowledged_is_not_repeated() {
        assert_eq!(decide(None, &seen("a", 1), false), Handover::Publish);
        assert_eq!(
            decide(Some(&kept("a", 1, true)), &seen("b", 2), false),
            Handover::Publish
        );
        assert_eq!(
            decide(Some(&kept("a", 1, true)), &seen("a", 2), false),
            Handover::Known
        );
    }

    #[test]
    fn content_without_acknowledgement_is_published_again() {
        assert_eq!(
            decide(Some(&kept("a", 1, false)), &seen("a", 2), false),
            Handover::Publish
        );
    }

    #[derive(Debug, Clone, Copy)]
    struct Read {
        content: u8,
        /// The process ends after the decision, before the stream has the order.
        lost: bool,
    }

    proptest::proptest! {
        /// Whatever the order in which reads are handled, the ledger ends with the content of the read
        /// that began last, as long as that one reached the stream.
        #[test]
        fn no_overtaken_read_is_the_last_word(
            reads in proptest::collection::vec((0u8..3, proptest::bool::weighted(0.2)), 1..8),
            order in proptest::collection::vec(0usize..100, 8),
        ) {
            let reads: Vec<Read> =
                reads.into_iter().map(|(content, lost)| Read { content, lost }).collect();
            let mut waiting: Vec<usize> = (0..reads.len()).collect();
            let mut row: Option<Kept> = None;
            let mut ledger: Option<(i64, u8)> = None;
            for pick in order.into_iter().take(reads.len()) {
                let index = waiting.remove(pick % waiting.len());
                let number = i64::try_from(index).unwrap();
                let Read { content, lost } = reads[index];
                let seen = seen(&content.to_string(), number);
                let handover = decide(row.as_ref(), &seen, false);
                if handover != Handover::Overtaken {
                    let stored = handover == Handover::Known || !lost;
                    row = Some(kept(&seen.content_hash, number, stored));
                }
                let newer = ledger.is_none_or(|(known, _)| known < number);
                if handover == Handover::Publish && !lost && newer {
                    ledger = Some((number, content));
                }
            }
            // The next walk reads what is the truth, the content of the last read, once more.
            let truth = reads[reads.len() - 1].content;
            let number = i64::try_from(reads.len()).unwrap();
            if decide(row.as_ref(), &seen(&truth.to_string(), number), false) == Handover::Publish {
                ledger = Some((number, truth));
            }
            proptest::prop_assert_eq!(ledger.map(|(_, content)| content), Some(truth));
        }
    }

    #[test]
    fn a_full_read_publishes_what_is_known_but_nothing_overtaken() {
        assert_eq!(
            decide(Some(&kept("a", 1, true)), &seen("a", 2), true),
            Handover::Publish
        );
        assert_eq!(
            decide(Some(&kept("a", 3, true)), &seen("b", 2), true),
            Handover::Overtaken
        );
    }
}
