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
    /// At which sequence the stream acknowledged this content; none while it did not.
    pub sequence: Option<u64>,
}

impl Kept {
    /// Whether a stream that reached this sequence took the content.
    fn is_stored(&self, reached: u64) -> bool {
        let lost = |at| at > reached && !planted!(StreamIdentityIgnored);
        match self.sequence {
            Some(at) => !lost(at),
            None => planted!(RowTakenForStored),
        }
    }
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

/// Decides about one order. What the stream acknowledged up to the sequence `reached` is known; none
/// hands on what is known, too, never what is overtaken.
pub(crate) fn decide(kept: Option<&Kept>, seen: &Seen, reached: Option<u64>) -> Handover {
    match kept {
        None => Handover::Publish,
        Some(kept) if kept.read_number > seen.read_number => Handover::Overtaken,
        Some(kept)
            if reached.is_some_and(|reached| kept.is_stored(reached))
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

    const SEQUENCE: u64 = 7;
    const REACHED: Option<u64> = Some(SEQUENCE);

    fn kept(content: &str, read_number: i64, stored: bool) -> Kept {
        Kept {
            content_hash: content.into(),
            read_number,
            modified: None,
            sequence: stored.then_some(SEQUENCE),
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
        assert_eq!(decide(None, &seen("a", 1), REACHED), Handover::Publish);
        assert_eq!(
            decide(Some(&kept("a", 1, true)), &seen("b", 2), REACHED),
            Handover::Publish
        );
        assert_eq!(
            decide(Some(&kept("a", 1, true)), &seen("a", 2), REACHED),
            Handover::Known
        );
    }

    #[test]
    fn content_beyond_the_end_of_the_stream_is_published_again() {
        let before_the_loss = kept("a", 1, true);
        assert_eq!(
            decide(Some(&before_the_loss), &seen("a", 2), Some(SEQUENCE - 1)),
            Handover::Publish
        );
    }

    #[test]
    fn content_without_acknowledgement_is_published_again() {
        assert_eq!(
            decide(Some(&kept("a", 1, false)), &seen("a", 2), REACHED),
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
                let handover = decide(row.as_ref(), &seen, REACHED);
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
            if decide(row.as_ref(), &seen(&truth.to_string(), number), REACHED) == Handover::Publish {
                ledger = Some((number, truth));
            }
            proptest::prop_assert_eq!(ledger.map(|(_, content)| content), Some(truth));
        }
    }

    #[test]
    fn a_full_read_publishes_what_is_known_but_nothing_overtaken() {
        assert_eq!(
            decide(Some(&kept("a", 1, true)), &seen("a", 2), None),
            Handover::Publish
        );
        assert_eq!(
            decide(Some(&kept("a", 3, true)), &seen("b", 2), None),
            Handover::Overtaken
        );
    }
}
