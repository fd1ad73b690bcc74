//! One lane as the parts of the engine share it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storelink_model::{ConnectionId, TenantId, Timestamp};
use storelink_planted_faults::planted;
use storelink_service::LinkedConnection;
use tokio::sync::Notify;

use super::attempts::Attempts;
use super::listings::PlacedShard;
use super::state::LaneState;
use crate::kind::LaneKind;
use crate::lane::{DoubtKind, Effect, Lane, ListedArticle, PackedIds, Pause, Remembered};
use crate::levels::{LevelListener, SkuId, TenantLevels};
use crate::records::memory::letter;
use crate::records::{LaneName, Loaded, Note, OutsideDoubt};

/// One lane: its place among the levels, and its state.
pub(crate) struct LaneHandle<K: LaneKind> {
    pub(crate) connection: ConnectionId,
    pub(crate) tenant: TenantId,
    pub(crate) levels: Arc<TenantLevels<K>>,
    pub(crate) wake: Notify,
    /// Held by the task that runs the lane: a task that was stopped ends its request first.
    pub(crate) run: tokio::sync::Mutex<()>,
    state: Mutex<LaneState<K>>,
}

impl<K: LaneKind> LaneHandle<K> {
    pub(crate) fn new(
        linked: Arc<LinkedConnection>,
        levels: Arc<TenantLevels<K>>,
        writes_paused: bool,
    ) -> Self {
        let sources = K::sources(&linked.record.settings);
        let mut lane = Lane::new();
        lane.guard_by(K::guard(&linked.record.settings));
        lane.place_at(&linked.record.address, Timestamp::now());
        Self {
            connection: linked.record.id.clone(),
            tenant: linked.record.tenant.clone(),
            levels,
            wake: Notify::new(),
            run: tokio::sync::Mutex::new(()),
            state: Mutex::new(LaneState {
                lane,
                pause: Pause::default(),
                linked,
                sources,
                writes_paused,
                owned: None,
                listens: false,
                shards: HashMap::new(),
                access: None,
                attempts: Attempts::default(),
                superseded_told: 0,
                asking_told: false,
            }),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, LaneState<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this process still runs the lane in this epoch.
    pub(super) fn is_owned_as(&self, name: &Arc<LaneName>) -> bool {
        let state = self.state();
        state
            .owned
            .as_ref()
            .is_some_and(|owned| Arc::ptr_eq(owned, name))
    }

    /// Forgets what an earlier epoch knew, before SQL is read: from now on the doubts that others
    /// open are heard.
    pub(crate) fn prepare(self: &Arc<Self>, epoch: i64) -> Arc<LaneName> {
        // One that panicked did not end.
        self.end();
        let mut state = self.state();
        state.lane.restart();
        state.listens = true;
        Arc::new(LaneName {
            connection: self.connection.clone(),
            tenant: self.tenant.clone(),
            epoch,
        })
    }

    /// Begins to own the lane with what SQL says of it, and looks at every article once.
    pub(crate) fn start(
        self: &Arc<Self>,
        name: &Arc<LaneName>,
        loaded: Loaded<K::Wanted>,
        recheck_after: time::Duration,
    ) -> Vec<Note> {
        let now = Timestamp::now();
        let mut notes = Vec::new();
        let sources = {
            let mut state = self.state();
            for approval in loaded.approvals {
                self.take_over(&mut state, approval);
            }
            let address = state.linked.record.address.clone();
            // What was confirmed elsewhere may not be shown here.
            let not_sure = Timestamp::from_micros(-1);
            for (sku, confirmed) in loaded.memory.confirmed {
                let here = *confirmed.address == *address;
                state.lane.remember(Remembered {
                    sku: self.levels.sku_id(&sku),
                    ids: confirmed.ids,
                    value: confirmed.value,
                    confirmed_at: if here { confirmed.at } else { not_sure },
                });
            }
            let doubts = loaded.doubts.into_iter();
            for (sku, kind, due) in doubts.filter(|_| !planted!(DoubtsNotRead)) {
                state.lane.doubt(self.levels.sku_id(&sku), kind, due);
            }
            for (sku, input) in loaded.retries {
                state.lane.retry_of(self.levels.sku_id(&sku), input);
            }
            // Later than a doubt of the same kind that stood in SQL, so it covers that one.
            let due = now.saturating_add(recheck_after);
            for sku in loaded.memory.unfinished {
                let kind = DoubtKind::LateEffect;
                state.lane.doubt(self.levels.sku_id(&sku), kind, due);
                notes.push(Note::OpenDoubt { sku, kind, due });
            }
            for attempt in loaded.interrupted {
                notes.push(Note::Finished {
                    epoch: attempt.epoch,
                    number: attempt.number,
                    completed: now,
                    outcomes: letter::UNKNOWN.to_string().repeat(attempt.items),
                    error_code: Some("lane.interrupted".to_owned()),
                });
            }
            for (sku, input) in loaded.parked {
                let id = self.levels.sku_id(&sku);
                if state.lane.view(id).is_some() {
                    state.lane.remember_parked(id, input);
                } else {
                    notes.push(Note::Unpark { sku });
                }
            }
            state.owned = Some(name.clone());
            state.access = None;
            state.attempts = Attempts::default();
            state.sources.clone()
        };
        self.subscribe(&sources);
        self.state().lane.all_changed(now);
        notes
    }

    /// Ends owning the lane. The listings stay.
    pub(crate) fn end(self: &Arc<Self>) {
        let listener: Arc<dyn LevelListener> = self.clone();
        self.levels.unsubscribe(&listener);
        let mut state = self.state();
        state.owned = None;
        state.listens = false;
        state.access = None;
    }

    /// Takes over a doubt that somebody else committed, when the lane runs here or is about to.
    pub(super) fn doubted(&self, doubt: OutsideDoubt) {
        {
            let mut state = self.state();
            if !state.listens {
                return;
            }
            let sku = self.levels.sku_id(&doubt.sku);
            state.lane.doubt(sku, doubt.kind, doubt.due);
            if let Some(input) = doubt.input {
                state.lane.retry_of(sku, input);
            }
        }
        // It may rest without a time to wake at.
        self.wake.notify_one();
    }

    /// Takes over a changed record or a changed pause of the tenant.
    pub(crate) fn change(self: &Arc<Self>, linked: Arc<LinkedConnection>, writes_paused: bool) {
        let (sources, other_sources) = {
            let mut state = self.state();
            if Arc::ptr_eq(&state.linked, &linked) && state.writes_paused == writes_paused {
                return;
            }
            let before = std::mem::replace(&mut state.linked, linked);
            state.writes_paused = writes_paused;
            let record = &state.linked.record;
            let revision = record.credentials_revision;
            let other_input = record.settings != before.record.settings
                || record.profile != before.record.profile;
            let sources = K::sources(&record.settings);
            let other_sources = state.owned.is_some() && sources != state.sources;
            state.pause.connection_changed(revision);
            state.sources = sources.clone();
            let address = state.linked.record.address.clone();
            state.lane.place_at(&address, Timestamp::now());
            if other_input && !planted!(SettingsDoNotMark) {
                let rule = K::guard(&state.linked.record.settings);
                state.lane.guard_by(rule);
                state.lane.all_changed(Timestamp::now());
            }
            (sources, other_sources)
        };
        if other_sources {
            let listener: Arc<dyn LevelListener> = self.clone();
            self.levels.unsubscribe(&listener);
            self.subscribe(&sources);
            // What changed between the two was heard by nobody.
            self.state().lane.all_changed(Timestamp::now());
        }
        self.wake.notify_one();
    }

    /// Takes over a shard of the listings, unless a later one is in hand.
    pub(super) fn list(&self, placed: &PlacedShard) -> Option<(Arc<LaneName>, Vec<Note>)> {
        let shard = &placed.shard;
        let adapter = self.state().linked.adapter.clone();
        let articles = shard
            .listings
            .iter()
            .map(|listing| ListedArticle {
                sku: self.levels.sku_id(&listing.sku),
                ids: PackedIds::pack(&listing.ids),
                group: adapter.write_group(K::value_kind(), &listing.ids),
                blocked: K::blocked(listing),
            })
            .collect();
        let now = Timestamp::now();
        let (owned, effects) = {
            let mut state = self.state();
            let known = state.shards.get(&shard.shard);
            if known.is_some_and(|known| *known >= placed.place) {
                return None;
            }
            state.shards.insert(shard.shard, placed.place);
            let effects = state
                .lane
                .replace_shard(shard.shard, shard.shards, articles, now);
            (state.owned.clone(), effects)
        };
        self.wake.notify_one();
        owned.map(|owned| (owned, self.notes(effects, now)))
    }

    /// The effects of the core as records.
    pub(crate) fn notes(&self, effects: Vec<Effect>, now: Timestamp) -> Vec<Note> {
        let note = |effect| {
            Some(match effect {
                Effect::Park {
                    sku,
                    code,
                    text,
                    input,
                } => {
                    let sku = self.levels.sku(sku)?;
                    Note::Park {
                        sku,
                        code,
                        reason: text,
                        input,
                        since: now,
                    }
                }
                Effect::Unpark { sku } => Note::Unpark {
                    sku: self.levels.sku(sku)?,
                },
                Effect::OpenDoubt { sku, kind, due } => Note::OpenDoubt {
                    sku: self.levels.sku(sku)?,
                    kind,
                    due,
                },
                Effect::CloseDoubt { sku, kind, due } => Note::CloseDoubt {
                    sku: self.levels.sku(sku)?,
                    kind,
                    due,
                },
            })
        };
        effects.into_iter().filter_map(note).collect()
    }

    fn subscribe(self: &Arc<Self>, sources: &[K::Source]) {
        self.levels.subscribe(sources, self.clone());
    }
}

impl<K: LaneKind> LevelListener for LaneHandle<K> {
    fn changed(&self, sku: SkuId, now: Timestamp) {
        let more = self.state().lane.changed(sku, now);
        if more {
            self.wake.notify_one();
        }
    }

    fn held(&self, sku: SkuId, now: Timestamp) {
        let more = self.state().lane.look_again(sku, now);
        if more {
            self.wake.notify_one();
        }
    }
}
