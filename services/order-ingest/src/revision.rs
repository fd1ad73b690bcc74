//! What a reading of an order means for its revision: the pure core of the ledger.
//!
//! Readings of one order arrive in any sequence and more than once. Each carries the number that was
//! drawn before its request: a larger one was read later.

use storelink_planted_faults::planted;

/// What the ledger knows of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The largest number that it was read with.
    pub read_number: i64,
    /// The fingerprint of what that reading showed.
    pub content: String,
    /// How many contents it had so far, from 1.
    pub revision: i64,
}

/// What a reading means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Another content than before, or the first: it gets this revision.
    Revise {
        /// The new revision.
        revision: i64,
    },
    /// The same content, read later: only the number is kept, so that what was read between the two
    /// cannot replace it any more.
    Confirm,
    /// The same content, not read later: nothing to do.
    Repeat,
    /// Another content that was not read later: it may be an older one that arrives late, so it
    /// changes nothing; one fresh read tells what the store shows now.
    Outdated,
}

/// Decides about a reading.
#[must_use]
pub fn decide(known: Option<&Known>, read_number: i64, content: &str) -> Decision {
    let Some(known) = known else {
        return Decision::Revise { revision: 1 };
    };
    match (read_number > known.read_number, content == known.content) {
        (true, true) => Decision::Confirm,
        (true, false) => Decision::Revise {
            revision: known.revision + 1,
        },
        (false, true) => Decision::Repeat,
        (false, false) if planted!(OutdatedRevises) => Decision::Revise {
            revision: known.revision + 1,
        },
        (false, false) => Decision::Outdated,
    }
}

/// What is known after a decision was carried out.
#[must_use]
pub fn after(
    known: Option<Known>,
    decision: Decision,
    read_number: i64,
    content: &str,
) -> Option<Known> {
    match decision {
        Decision::Revise { revision } => Some(Known {
            read_number,
            content: content.to_owned(),
            revision,
        }),
        Decision::Confirm if planted!(LowerNumberKept) => known,
        Decision::Confirm => known.map(|known| Known {
            read_number,
            ..known
        }),
        Decision::Repeat | Decision::Outdated => known,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes readings in this sequence and gives the decisions with what is known at the end.
    fn take(readings: &[(i64, &str)], mut known: Option<Known>) -> (Vec<Decision>, Option<Known>) {
        let mut decisions = Vec::new();
        for (number, text) in readings {
            let decision = decide(known.as_ref(), *number, text);
            known = after(known, decision, *number, text);
            decisions.push(decision);
        }
        (decisions, known)
    }

    #[test]
    fn a_content_that_comes_back_is_a_third_revision() {
        let (decisions, known) = take(&[(1, "a"), (2, "b"), (3, "a")], None);
        let revise = |revision| Decision::Revise { revision };
        assert_eq!(decisions, [revise(1), revise(2), revise(3)]);
        let expected = Known {
            read_number: 3,
            content: "a".to_owned(),
            revision: 3,
        };
        assert_eq!(known, Some(expected));
    }

    #[test]
    fn an_equal_content_read_later_shuts_out_what_was_read_between() {
        let (decisions, known) = take(&[(1, "a"), (5, "a"), (3, "b")], None);
        assert_eq!(decisions[1..], [Decision::Confirm, Decision::Outdated]);
        let expected = Known {
            read_number: 5,
            content: "a".to_owned(),
            revision: 1,
        };
        assert_eq!(known, Some(expected));
    }

    #[test]
    fn a_redelivery_is_a_repetition_and_an_earlier_content_is_outdated() {
        let (decisions, _) = take(&[(2, "b"), (2, "b"), (1, "b"), (1, "a"), (2, "a")], None);
        let expected = [
            Decision::Repeat,
            Decision::Repeat,
            Decision::Outdated,
            Decision::Outdated,
        ];
        assert_eq!(decisions[1..], expected);
    }

    /// Readings with distinct numbers, in any sequence, some delivered again.
    fn deliveries() -> impl Strategy<Value = Vec<(i64, &'static str)>> {
        let texts = prop::collection::vec(prop::sample::select(&["a", "b", "c"][..]), 1..12);
        texts
            .prop_map(|texts| (1_i64..).zip(texts).collect::<Vec<_>>())
            .prop_flat_map(|readings| {
                let again = prop::collection::vec(prop::sample::select(readings.clone()), 0..6);
                (Just(readings), again)
            })
            .prop_map(|(readings, again)| [readings, again].concat())
            .prop_shuffle()
    }

    proptest! {
        #[test]
        fn any_sequence_ends_with_the_content_that_was_read_last(readings in deliveries()) {
            let (decisions, known) = take(&readings, None);
            let last = readings.iter().max_by_key(|(number, _)| *number).unwrap();
            let known = known.unwrap();
            prop_assert_eq!(known.read_number, last.0);
            prop_assert_eq!(known.content.as_str(), last.1);
            let revised = decisions.iter().filter(|d| matches!(d, Decision::Revise { .. }));
            prop_assert_eq!(usize::try_from(known.revision).unwrap(), revised.count());
        }

        #[test]
        fn revisions_never_go_back_and_rise_by_one(readings in deliveries()) {
            let mut known: Option<Known> = None;
            for (number, text) in readings {
                let before = known.clone();
                let decision = decide(known.as_ref(), number, text);
                known = after(known, decision, number, text);
                let (old, new) = (before.map_or(0, |k| k.revision), known.clone().unwrap());
                prop_assert!(new.revision == old || new.revision == old + 1);
                prop_assert_eq!(new.revision > old, matches!(decision, Decision::Revise { .. }));
            }
        }

        #[test]
        fn delivering_everything_again_changes_nothing(readings in deliveries()) {
            let (_, known) = take(&readings, None);
            let (decisions, again) = take(&readings, known.clone());
            prop_assert_eq!(known, again);
            let still = decisions.iter().all(|d| matches!(d, Decision::Repeat | Decision::Outdated));
            prop_assert!(still);
        }

        #[test]
        fn readings_in_their_own_sequence_revise_at_each_change(
            texts in prop::collection::vec(prop::sample::select(&["a", "b", "c"][..]), 1..12)
        ) {
            let readings: Vec<_> = (1_i64..).zip(texts.iter().copied()).collect();
            let changes = texts.windows(2).filter(|pair| pair[0] != pair[1]).count();
            let (_, known) = take(&readings, None);
            prop_assert_eq!(usize::try_from(known.unwrap().revision).unwrap(), changes + 1);
        }
    }
}
