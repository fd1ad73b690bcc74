//! One reconciliation: the store's values are read page by page beside the lane's writes, compared
//! with what is wanted now, and only the differences are marked.

use std::collections::HashSet;
use std::sync::Arc;

use storelink_adapter_api::{
    AdapterError, Article, ErrorClass, Position, ProductPage, ProductWindow, StoreAccess,
};
use storelink_events::rpc::{DRIFT_SAMPLES, Difference, Drift};
use storelink_model::Timestamp;
use tokio::sync::Semaphore;

use super::handle::LaneHandle;
use super::read_gate::ReadGate;
use super::send::snapshot_note;
use super::state::LaneState;
use super::step::observes;
use super::task::Shared;
use crate::kind::{LaneKind, Shown};
use crate::lane::{Closed, Effect, Finding, PackedIds, Reading};
use crate::levels::SkuId;
use crate::records::LaneName;

/// A page for which the store asks for a pause, or for which no turn came, is asked for again so often.
const PAUSES: u32 = 5;
const EVERYTHING: ProductWindow = ProductWindow {
    modified_since: None,
};

/// The lane runs elsewhere now: who owns it reconciles it anew.
#[derive(Debug)]
pub(super) struct Lost;

/// A reconciliation of one store.
pub(super) struct Reconciliation<K: LaneKind> {
    pub(super) handle: Arc<LaneHandle<K>>,
    pub(super) name: Arc<LaneName>,
    pub(super) shared: Arc<Shared>,
    /// Pages that are read at once, over all stores.
    pub(super) pages: Arc<Semaphore>,
}

/// What was found up to now.
#[derive(Default)]
struct Tally {
    drift: Drift,
    /// Articles that a page showed; a walk may show one twice.
    seen: HashSet<SkuId>,
    /// Places of the store of which the catalogue does not know.
    unknown: HashSet<PackedIds>,
    /// Products of which nothing is known, also not that an article is missing.
    unreadable: HashSet<String>,
    /// Articles that the lane did not know to be right.
    learnt: bool,
}

impl<K: LaneKind> Reconciliation<K> {
    /// Reads and compares everything. What goes wrong with the store ends it and stands in the result.
    pub(super) async fn run(&self) -> Result<Drift, Lost> {
        let expected = self.expected();
        let mut tally = Tally::default();
        match self.walk(&mut tally).await {
            Ok(()) => tally.drift.missing = self.missing(&expected, &tally),
            Err(End::Lost) => return Err(Lost),
            Err(End::Failed(failure)) => tally.drift.failed(failure),
        }
        if tally.learnt {
            self.remember().await;
        }
        Ok(tally.drift)
    }

    async fn walk(&self, tally: &mut Tally) -> Result<(), End> {
        let mut access: Option<(u64, StoreAccess)> = None;
        let mut position: Option<Position> = None;
        let address = self.handle.state().linked.record.address.clone();
        loop {
            let revision = self.may_read()?;
            let open = match access.take() {
                Some(open) if open.0 == revision => open,
                _ => (revision, self.open_access()?),
            };
            let (begun, page) = self.page(&open.1, position.as_ref()).await?;
            access = Some(open);
            tally.drift.pages += 1;
            let effects = self.compare(&page, begun, &address, tally)?;
            let notes = self.handle.notes(effects, Timestamp::now());
            if !notes.is_empty() {
                self.shared.records.note(&self.name, notes).await;
                self.handle.wake.notify_one();
            }
            position = page.next;
            if position.is_none() {
                return Ok(());
            }
        }
    }

    /// The revision of the record, when the store may be read now.
    fn may_read(&self) -> Result<u64, End> {
        if !self.handle.is_owned_as(&self.name) {
            return Err(End::Lost);
        }
        let state = self.handle.state();
        if state.linked.record.paused {
            return Err(End::failed("connection.paused", "the connection is paused"));
        }
        match state.pause.check(Timestamp::now()) {
            Err(Closed::Attention(attention)) => Err(End::Failed(Failure {
                code: attention.code,
                text: attention.text,
                needs_attention: true,
            })),
            _ => Ok(state.linked.record.revision),
        }
    }

    fn open_access(&self) -> Result<StoreAccess, End> {
        let linked = self.handle.state().linked.clone();
        let opened = linked.access_behind(|connection| {
            Arc::new(ReadGate {
                connection,
                lease: self.shared.lease.clone(),
                handle: self.handle.clone(),
                name: self.name.clone(),
                pages: self.pages.clone(),
            })
        });
        opened.map_err(|error| {
            End::Failed(Failure {
                code: error.code().to_owned(),
                text: error.to_string(),
                needs_attention: true,
            })
        })
    }

    /// One page, with a time before which its request was not sent.
    async fn page(
        &self,
        access: &StoreAccess,
        position: Option<&Position>,
    ) -> Result<(Timestamp, ProductPage), End> {
        let adapter = self.handle.state().linked.adapter.clone();
        let mut pauses = 0;
        loop {
            let begun = Timestamp::now();
            let error = match adapter.read_products(access, &EVERYTHING, position).await {
                Ok(page) => return Ok((begun, page)),
                Err(error) => error,
            };
            // The connection's gate keeps the pause that a store asked for.
            let again = matches!(error.class, ErrorClass::Limited { .. }) || error.code == BUSY;
            if !again || pauses >= PAUSES {
                return Err(End::of(&error));
            }
            pauses += 1;
        }
    }

    /// Compares the articles of a page with what is wanted in the store at the address that it is from.
    fn compare(
        &self,
        page: &ProductPage,
        begun: Timestamp,
        address: &str,
        tally: &mut Tally,
    ) -> Result<Vec<Effect>, End> {
        let unreadable = page.unreadable.iter();
        tally
            .unreadable
            .extend(unreadable.map(|product| product.external_id.clone()));
        tally.drift.unreadable = count(tally.unreadable.len());
        let articles = page.products.iter().flat_map(|product| &product.articles);
        let known: Vec<_> = articles
            .map(|article| (self.known(article), article))
            .collect();

        let now = Timestamp::now();
        let mut effects = Vec::new();
        let mut state = self.handle.state();
        let owned = state.owned.as_ref();
        if !owned.is_some_and(|owned| Arc::ptr_eq(owned, &self.name)) {
            return Err(End::Lost);
        }
        if state.linked.record.address != address {
            let text = "the store's address was changed meanwhile; reconcile again";
            return Err(End::failed("connection.moved", text));
        }
        let writes = !observes(&state);
        tally.drift.observed |= !writes;
        let LaneState {
            lane,
            linked,
            sources,
            ..
        } = &mut *state;
        let before = tally.drift.corrected;
        self.handle.levels.with_cells(sources, |cells| {
            for (sku, article) in known {
                let ids = PackedIds::pack(&article.ids);
                let listed = sku.filter(|sku| lane.standing(*sku, &ids) != Some(Finding::Unlisted));
                let Some(sku) = listed else {
                    tally.unknown.insert(ids);
                    continue;
                };
                if !tally.seen.insert(sku) {
                    continue;
                }
                if lane.standing(sku, &ids).is_some() {
                    tally.drift.unpublished += 1;
                    continue;
                }
                let desired = LaneState::<K>::desired(linked, cells, sku, now);
                let Ok(Some(wanted)) = desired.wanted else {
                    tally.drift.unpublished += 1;
                    continue;
                };
                let (adapter, profile) = (linked.adapter.as_ref(), &linked.record.profile);
                let shown = K::shown(adapter, profile, article, &wanted);
                if shown == Shown::NotTold {
                    tally.drift.unpublished += 1;
                    continue;
                }
                let reading = Reading {
                    ids: &ids,
                    begun,
                    wanted: &wanted,
                    right: shown == Shown::Right,
                    writes,
                };
                let finding = lane.compare(sku, &reading, now, &mut effects);
                tally.learnt |= finding == Finding::FoundRight;
                tally
                    .drift
                    .add::<K>(finding, article, shown, &wanted, writes);
            }
        });
        tally.drift.unknown = count(tally.unknown.len());
        let corrected = tally.drift.corrected - before;
        self.shared.metrics.corrected(corrected);
        Ok(effects)
    }

    fn known(&self, article: &Article) -> Option<SkuId> {
        self.handle.levels.known_sku(article.sku.as_ref()?)
    }

    /// The articles that a complete walk shows.
    fn expected(&self) -> HashSet<SkuId> {
        let state = self.handle.state();
        state.lane.written().map(|(sku, _)| sku).collect()
    }

    /// Articles that were written all the time and that no page showed. They are the catalogue's
    /// business: nothing is written for them here.
    fn missing(&self, expected: &HashSet<SkuId>, tally: &Tally) -> u64 {
        let state = self.handle.state();
        let missing = state.lane.written().filter(|(sku, ids)| {
            expected.contains(sku)
                && !tally.seen.contains(sku)
                && !tally.unreadable.contains(&ids.unpack().product)
        });
        count(missing.count())
    }

    /// Keeps what was learnt over a restart. A write under way brings it along later.
    async fn remember(&self) {
        if let Some(note) = snapshot_note(&self.handle, Timestamp::now()) {
            self.shared.records.note(&self.name, vec![note]).await;
        }
    }
}

const BUSY: &str = "gate.busy";

/// Why a reconciliation ends early.
enum End {
    Lost,
    Failed(Failure),
}

/// What ended a reconciliation.
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) text: String,
    pub(super) needs_attention: bool,
}

impl End {
    fn failed(code: &str, text: &str) -> Self {
        Self::Failed(Failure {
            code: code.to_owned(),
            text: text.to_owned(),
            needs_attention: false,
        })
    }

    fn of(error: &AdapterError) -> Self {
        match error.code {
            // A deleted connection takes its reconciliation along.
            "gate.not_owner" | "gate.stopped" => return Self::Lost,
            _ => {}
        }
        let text = match &error.remedy {
            Some(remedy) => format!("{} {remedy}", error.text),
            None => error.text.clone(),
        };
        Self::Failed(Failure {
            code: error.code.to_owned(),
            text,
            needs_attention: error.class == ErrorClass::Attention,
        })
    }
}

/// How a comparison counts.
trait Counting {
    fn failed(&mut self, failure: Failure);
    fn add<K: LaneKind>(
        &mut self,
        finding: Finding,
        article: &Article,
        shown: Shown,
        wanted: &K::Wanted,
        writes: bool,
    );
}

impl Counting for Drift {
    fn failed(&mut self, failure: Failure) {
        self.error_code = Some(failure.code);
        self.error_text = Some(failure.text);
        self.needs_attention = failure.needs_attention;
    }

    fn add<K: LaneKind>(
        &mut self,
        finding: Finding,
        article: &Article,
        shown: Shown,
        wanted: &K::Wanted,
        writes: bool,
    ) {
        match finding {
            Finding::Unlisted => self.unknown += 1,
            Finding::Blocked => self.unpublished += 1,
            Finding::Waits => self.waiting += 1,
            Finding::Right | Finding::FoundRight => self.compared += 1,
            Finding::Differs | Finding::Drifted => {
                self.compared += 1;
                self.differing += 1;
                self.corrected += u64::from(writes);
                let (Shown::Other { text, to_zero }, Some(sku)) = (shown, &article.sku) else {
                    return;
                };
                self.to_zero += u64::from(to_zero);
                if self.sample.len() < DRIFT_SAMPLES {
                    self.sample.push(Difference {
                        sku: sku.clone(),
                        shown: text,
                        wanted: K::describe_wanted(wanted),
                    });
                }
            }
        }
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
