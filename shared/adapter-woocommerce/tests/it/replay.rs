//! Every recording gives the values that are named for it, or stands in the list of those that are
//! not used, with the reason.

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::playing::{Way, play};
use crate::recording::{self, load};
use crate::{
    expected_errors, expected_order_pages, expected_orders, expected_products,
    expected_verification, expected_writes,
};

/// One recording, how it is played, and what must come of it.
pub(crate) struct Case {
    pub(crate) recording: &'static str,
    pub(crate) way: Way,
    pub(crate) facts: &'static [&'static str],
}

impl Case {
    /// What is wrong with the facts; nothing when all is right. Of a write every row counts, in its
    /// order (the rows of recording 143 repeat); of a reading every named line must be there.
    pub(crate) fn fault(&self, facts: &Facts) -> Option<String> {
        let missing = self
            .facts
            .iter()
            .find(|named| facts.iter().all(|fact| fact != *named));
        if let Some(missing) = missing {
            return Some(format!(
                "{}: missing {missing:?} in {facts:#?}",
                self.recording
            ));
        }
        let by_row = matches!(self.way, Way::Stock | Way::Price(..));
        let error = facts.first().is_some_and(|fact| fact.starts_with("error"));
        let rows = facts.iter().zip(self.facts.iter().cycle());
        let mut odd = rows.filter(|(fact, named)| by_row && !error && fact != *named);
        odd.next()
            .map(|(fact, named)| format!("{}: {fact:?} is not {named:?}", self.recording))
    }
}

pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    [
        expected_order_pages::CASES,
        expected_orders::CASES,
        expected_products::CASES,
        expected_writes::CASES,
        expected_errors::CASES,
        expected_verification::CASES,
    ]
    .into_iter()
    .flatten()
}

/// Recordings that are played by tests of their own, in which several of them make one story.
const IN_STORIES: [&str; 3] = [
    "79-refunds-flat",
    "158-order-after-refund",
    "308-v79-order-after-refund",
];

/// Recordings that no test of this adapter uses.
const UNUSED: [(&str, &str); 17] = [
    (
        "00-oauth-vectors",
        "signing is proven by the outgoing client, which owns it",
    ),
    (
        "51-products-head",
        "HEAD is not used: totals come with each page",
    ),
    ("80-order-notes", "notes are neither read nor written"),
    (
        "83-orders-status-any-plus-trash",
        "never asked so: the trash has a walk of its own",
    ),
    (
        "86-settings-general",
        "currency and decimals come from the system status",
    ),
    (
        "88-taxes",
        "rates are read from the tax lines of each order",
    ),
    ("90-payment-gateways", "methods are read from each order"),
    ("91-orders-statuses-counts", "a count by status is not used"),
    (
        "99-unknown-parameter-ignored",
        "has no times; the check on it is proven by 66 and 97",
    ),
    ("138-post-product", "products are not created"),
    ("153-order-note-post", "notes are neither read nor written"),
    ("162-orders-batch", "orders are not written"),
    ("163-options-method", "OPTIONS is not used"),
    (
        "179-env-rest-route-with-path-hint",
        "the way round plain permalinks is not taken: 178 is",
    ),
    (
        "302-v79-refunds-flat",
        "refunds are read by order, which every version can",
    ),
    (
        "20x",
        "webhooks are not set up by this adapter yet: 200, 201, 203 to 208, 218, 219",
    ),
    (
        "23x",
        "keys are not handed over by the browser yet: 230 to 238",
    ),
];

fn is_unused(name: &str) -> bool {
    let number = name.split('-').next().unwrap_or_default();
    let webhooks = [
        "200", "201", "203", "204", "205", "206", "207", "208", "218", "219",
    ];
    let family = match number {
        number if webhooks.contains(&number) => "20x",
        number if number.len() == 3 && number.starts_with("23") => "23x",
        _ => name,
    };
    UNUSED
        .iter()
        .any(|(unused, reason)| *unused == family && !reason.is_empty())
}

#[tokio::test]
async fn every_recording_gives_the_values_named_for_it() {
    for case in cases() {
        let facts = play(&load(case.recording), case.way).await;
        if let Some(fault) = case.fault(&facts) {
            panic!("{fault}");
        }
    }
}

#[test]
fn every_recording_is_used_or_its_absence_has_a_reason() {
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases() {
        assert!(!case.facts.is_empty(), "{} names nothing", case.recording);
        *used.entry(case.recording).or_default() += 1;
    }
    for name in recording::names() {
        if name.starts_with("00-") {
            assert!(is_unused(&name));
            continue;
        }
        // Deliveries of a webhook are calls of the store to us: the gateway's tests play them.
        if load(&name).direction.as_deref() == Some("store-to-hub") {
            continue;
        }
        let is_used = used.contains_key(name.as_str()) || IN_STORIES.contains(&name.as_str());
        assert!(is_used != is_unused(&name), "{name}: used {is_used}");
    }
}
