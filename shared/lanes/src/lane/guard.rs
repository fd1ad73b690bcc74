//! The blast-radius limit: a change that would spoil too much of a store waits for a person.
//!
//! Counted is what waits *and* what was done within a day, so a flood that arrives in slices is the
//! same flood, and a limit that was reached does not stay reached for ever.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use storelink_model::Timestamp;
use time::Duration;

use crate::levels::SkuId;

/// So many dangerous changes are everyday business in a store of any size.
const FEW: usize = 5;
/// How long a dangerous change that was made without asking counts.
const WINDOW: Duration = Duration::hours(24);
/// So many of the changes that wait are named.
const NAMED: usize = 5;

/// What a store shows of an article, as far as is known.
#[derive(Debug, Clone, Copy)]
pub struct LastShown<'a, W> {
    /// The value that it confirmed last; none when it never confirmed one.
    pub value: Option<&'a W>,
    /// Whether nothing was tried since that the store may have applied.
    pub sure: bool,
}

/// What becomes of dangerous changes as long as they are few.
#[derive(Debug)]
pub enum Few<W> {
    /// They are made, and count for a day.
    Send,
    /// Each waits for a person.
    Park {
        /// Stable code.
        code: &'static str,
        /// The change in words: what is shown, what is wanted, the limit.
        explain: fn(Option<&W>, &W, u32) -> String,
    },
}

/// What is dangerous, and how much of it may happen without asking.
#[derive(Debug)]
pub struct GuardRule<W> {
    /// Whether a change is dangerous: what is shown, what is wanted, the limit.
    pub is_dangerous: fn(LastShown<'_, W>, &W, u32) -> bool,
    /// The limit of one change, where there is one.
    pub limit: u32,
    /// The share of the store's written articles, in percent, for which it may happen without asking.
    pub percent: u32,
    /// What happens within that share.
    pub few: Few<W>,
}

/// What waits for a person's approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks<W> {
    /// How many changes.
    pub number: usize,
    /// Of how many articles that are written.
    pub written: usize,
    /// How many such changes were made within a day without asking.
    pub recent: usize,
    /// How many may be made without asking.
    pub allowed: usize,
    /// The limit of one change, where there is one.
    pub limit: u32,
    /// Some of them: article, what the store shows, what it should show.
    pub some: Vec<(SkuId, Option<W>, W)>,
}

/// What the guard says of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Harmless,
    /// Dangerous, and a person wants it.
    Approved,
    Dangerous,
}

/// What the guard of a lane keeps in mind.
#[derive(Debug)]
pub(super) struct Guard<W> {
    pub(super) rule: Option<GuardRule<W>>,
    /// Articles whose wanted value may be another one than when it was judged.
    unseen: BTreeSet<SkuId>,
    /// Articles with a dangerous change that waits, is under way, or is parked by the guard.
    pub(super) dangerous: BTreeMap<SkuId, W>,
    /// Those of them that left the line until the guard lets them go.
    pub(super) withheld: BTreeSet<SkuId>,
    /// Changes that a person approved, in microseconds since 1970.
    pub(super) approved: HashMap<SkuId, (W, i64)>,
    /// When somebody approved last.
    approved_at: i64,
    /// Dangerous changes that were made without asking.
    pub(super) made: Made,
}

impl<W: PartialEq> Guard<W> {
    pub(super) fn new() -> Self {
        Self {
            rule: None,
            unseen: BTreeSet::new(),
            dangerous: BTreeMap::new(),
            withheld: BTreeSet::new(),
            approved: HashMap::new(),
            approved_at: 0,
            made: Made::default(),
        }
    }

    /// Forgets everything but the rule.
    pub(super) fn restart(&mut self) {
        let rule = self.rule.take();
        *self = Self {
            rule,
            ..Self::new()
        };
    }

    /// An article is to be judged before anything leaves.
    pub(super) fn look_at(&mut self, sku: SkuId) {
        if self.rule.is_some() {
            self.unseen.insert(sku);
        }
    }

    pub(super) fn take_unseen(&mut self) -> BTreeSet<SkuId> {
        std::mem::take(&mut self.unseen)
    }

    /// Nothing dangerous is wanted of an article.
    pub(super) fn dismiss(&mut self, sku: SkuId) {
        self.dangerous.remove(&sku);
    }

    /// An article is not written any more, or under other ids.
    pub(super) fn forget(&mut self, sku: SkuId) {
        self.unseen.remove(&sku);
        self.dangerous.remove(&sku);
        self.withheld.remove(&sku);
        self.made.remove(sku);
    }

    /// How many dangerous changes may be made within a day without asking.
    pub(super) fn allowed(&self, written: usize) -> usize {
        let percent = self.rule.as_ref().map_or(100, |rule| rule.percent);
        let percent = usize::try_from(percent).unwrap_or(usize::MAX);
        FEW.max(written.saturating_mul(percent) / 100)
    }

    /// Whether more waits than may be done without asking.
    pub(super) fn stops(&self, written: usize) -> bool {
        !self.dangerous.is_empty() && self.dangerous.len() + self.made.len() > self.allowed(written)
    }

    /// Whether a value is dangerous where nothing is known of what the store shows.
    fn is_dangerous_blindly(&self, value: &W) -> bool {
        let unknown = LastShown {
            value: None,
            sure: false,
        };
        self.counts_what_is_made()
            .is_some_and(|rule| (rule.is_dangerous)(unknown, value, rule.limit))
    }

    /// Whether a value is judged by the one before it, so that this must not be forgotten.
    pub(super) fn compares(&self) -> bool {
        let rule = self.rule.as_ref();
        rule.is_some_and(|rule| matches!(rule.few, Few::Park { .. }))
    }

    fn counts_what_is_made(&self) -> Option<&GuardRule<W>> {
        self.rule
            .as_ref()
            .filter(|rule| matches!(rule.few, Few::Send))
    }

    /// The store shows a value now. `known` tells whether it surely showed it before.
    pub(super) fn confirmed(&mut self, sku: SkuId, value: &W, known: bool, now: Timestamp) {
        let asked = self.dangerous.get(&sku) == Some(value);
        if asked {
            self.dangerous.remove(&sku);
        }
        if !self.is_dangerous_blindly(value) {
            self.made.remove(sku);
        } else if asked || (self.made.contains(sku) && !known) {
            self.made.insert(sku, now.micros());
        }
    }

    /// The store may show a value now: it counts as if it did.
    pub(super) fn unclear(&mut self, sku: SkuId, value: &W, now: Timestamp) {
        if self.dangerous.get(&sku) == Some(value) && self.counts_what_is_made().is_some() {
            self.dangerous.remove(&sku);
            self.made.insert(sku, now.micros());
        }
    }

    /// The store refused a value: whoever wants it still is asked again.
    pub(super) fn refused(&mut self, sku: SkuId) {
        self.dangerous.remove(&sku);
        self.approved.remove(&sku);
    }

    /// A person wants this change.
    pub(super) fn approve(&mut self, sku: SkuId, value: W, at: Timestamp) {
        if self.dangerous.get(&sku) == Some(&value) {
            self.dangerous.remove(&sku);
        }
        self.approved.insert(sku, (value, at.micros()));
        self.approved_at = self.approved_at.max(at.micros());
        // Who approves has seen what was done so far.
        self.made = Made::default();
    }

    /// The store showed a value before the start.
    pub(super) fn remember(&mut self, sku: SkuId, value: &W, at: i64) {
        let approved = self.approved.get(&sku);
        let wanted_so = approved.is_some_and(|(approved, _)| approved == value);
        // Something else was wanted since: the approval was used up.
        if approved.is_some_and(|(_, since)| !wanted_so && at > *since) {
            self.approved.remove(&sku);
        }
        if !wanted_so && at > self.approved_at && self.is_dangerous_blindly(value) {
            self.made.insert(sku, at);
        }
    }

    /// Forgets what was made more than a day ago.
    pub(super) fn pass_time(&mut self, now: Timestamp) {
        self.made.forget_until(now.saturating_sub(WINDOW).micros());
    }

    /// When what was made counts less; none while nothing waits for that.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        let first = self.made.first().filter(|_| !self.withheld.is_empty())?;
        Some(Timestamp::from_micros(first).saturating_add(WINDOW))
    }
}

impl<W: Clone + PartialEq> Guard<W> {
    /// What waits for a person; none when nothing does. `shown` tells what the store shows.
    pub(super) fn asks(
        &self,
        written: usize,
        shown: impl Fn(SkuId) -> Option<W>,
    ) -> Option<Asks<W>> {
        let rule = self.rule.as_ref().filter(|_| self.stops(written))?;
        let some = self.dangerous.iter().take(NAMED);
        Some(Asks {
            number: self.dangerous.len(),
            written,
            recent: self.made.len(),
            allowed: self.allowed(written),
            limit: rule.limit,
            some: some
                .map(|(sku, wanted)| (*sku, shown(*sku), wanted.clone()))
                .collect(),
        })
    }
}

/// Articles for which something dangerous was done, and when, in microseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Made {
    at: HashMap<SkuId, i64>,
    order: BTreeSet<(i64, SkuId)>,
}

impl Made {
    fn insert(&mut self, sku: SkuId, at: i64) {
        self.remove(sku);
        self.at.insert(sku, at);
        self.order.insert((at, sku));
    }

    fn remove(&mut self, sku: SkuId) {
        if let Some(at) = self.at.remove(&sku) {
            self.order.remove(&(at, sku));
        }
    }

    fn forget_until(&mut self, latest: i64) {
        while let Some((at, sku)) = self.order.first().copied() {
            if at > latest {
                return;
            }
            self.order.remove(&(at, sku));
            self.at.remove(&sku);
        }
    }

    fn first(&self) -> Option<i64> {
        self.order.first().map(|(at, _)| *at)
    }

    pub(super) fn contains(&self, sku: SkuId) -> bool {
        self.at.contains_key(&sku)
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }
}
