//! Answers questions of other services, from SQL and from the lanes of this process. What only the
//! process knows that runs a lane is asked of that one.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_bus::Bus;
use storelink_bus::rpc::{Call, Endpoint, Fault, RpcError};
use storelink_events::rpc::{
    APPROVE, Approve, Approved, ConnectionQuestion, DRIFT, DriftQuestion, DriftReports, ErpValue,
    HeldBack, LANE, LaneStatus, PARKED, Page, PageQuestion, Parked, RECEIPTS, RECONCILE,
    RETRY_PARKED, Receipt, Reconcile, ReconcileAnswer, Retried, RetryParked, SKU, SkuAnswer,
    SkuQuestion,
};
use storelink_events::subject;
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::DbError;
use storelink_runtime::TaskSet;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::kind::LaneKind;
use crate::lane::SkuView;
use crate::levels::{Levels, SkuId};
use crate::records::{Approval, Questions};
use crate::runner::{LaneHandle, Lanes, closed_reason};

/// How long another replica may take; who asks waits two seconds in all.
const REPLICA_PATIENCE: Duration = Duration::from_secs(1);

/// Answers for one kind of lane.
pub(crate) struct Answers<K: LaneKind> {
    pub(crate) bus: Bus,
    /// The id of this process, as the rows of its lanes name it.
    pub(crate) replica: String,
    pub(crate) lanes: Lanes<K>,
    pub(crate) levels: Levels<K>,
    pub(crate) questions: Arc<Questions>,
    /// Told when a reconciliation was asked for.
    pub(crate) reconcile: Arc<Notify>,
}

impl<K: LaneKind> Answers<K> {
    /// Serves all questions until cancelled.
    pub(crate) fn serve(self, shutdown: &CancellationToken, tasks: &mut TaskSet) {
        let answers = Arc::new(self);
        let service = K::names().service;
        macro_rules! serve {
            ($subject:expr, $question:ty, $method:ident) => {{
                let answers = answers.clone();
                let subject = $subject;
                let endpoint = Endpoint::<$question>::new(&answers.bus, subject.clone(), service);
                let shutdown = shutdown.clone();
                tasks.spawn(async move {
                    let handler = move |call: Call<$question>| {
                        let answers = answers.clone();
                        async move { answers.$method(call.request).await }
                    };
                    if let Err(error) = endpoint.serve(handler, shutdown).await {
                        tracing::error!(%error, subject, "questions are not answered any more");
                    }
                });
            }};
        }
        let replica = answers.replica.clone();
        let of_replica = |verb| subject::rpc_replica(service, &replica, verb);
        serve!(subject::rpc(service, SKU), SkuQuestion, sku);
        serve!(of_replica(SKU), SkuQuestion, sku_here);
        serve!(subject::rpc(service, LANE), ConnectionQuestion, lane);
        serve!(of_replica(LANE), ConnectionQuestion, lane_here);
        serve!(subject::rpc(service, RECEIPTS), PageQuestion, receipts);
        serve!(subject::rpc(service, PARKED), PageQuestion, parked);
        serve!(
            subject::rpc(service, RETRY_PARKED),
            RetryParked,
            retry_parked
        );
        serve!(subject::rpc(service, RECONCILE), Reconcile, reconcile);
        serve!(subject::rpc(service, DRIFT), DriftQuestion, drift);
        serve!(subject::rpc(service, APPROVE), Approve, approve);
        serve!(of_replica(APPROVE), Approve, approve_here);
    }

    async fn sku(&self, question: SkuQuestion) -> Result<SkuAnswer, Fault> {
        match self.elsewhere(&question.connection, SKU, &question).await? {
            Some(answer) => Ok(answer),
            None => self.sku_here(question).await,
        }
    }

    async fn lane(&self, question: ConnectionQuestion) -> Result<LaneStatus, Fault> {
        match self
            .elsewhere(&question.connection, LANE, &question)
            .await?
        {
            Some(answer) => Ok(answer),
            None => self.lane_here(question).await,
        }
    }

    /// The answer of the replica that runs the lane; none when this one does. Nobody else knows: a
    /// lane that nobody runs has no answer rather than one that looks well.
    async fn elsewhere<Q, A>(
        &self,
        connection: &ConnectionId,
        verb: &str,
        question: &Q,
    ) -> Result<Option<A>, Fault>
    where
        Q: Serialize,
        A: DeserializeOwned,
    {
        if self.lanes.runs(self.lane_of(connection)?.as_ref()) {
            return Ok(None);
        }
        let owner = self.questions.owner(connection).await.map_err(fault)?;
        let Some(owner) = owner.filter(|owner| *owner != self.replica) else {
            return Err(not_running());
        };
        let subject = subject::rpc_replica(K::names().service, &owner, verb);
        let answer = self.bus.request(&subject, question, REPLICA_PATIENCE).await;
        answer.map(Some).map_err(|error| match error {
            RpcError::Fault(fault) => fault,
            error => {
                tracing::debug!(%connection, %error, "the owner of a lane does not answer");
                not_running()
            }
        })
    }

    fn running(&self, connection: &ConnectionId) -> Result<Arc<LaneHandle<K>>, Fault> {
        let handle = self.lane_of(connection)?;
        if self.lanes.runs(&handle) {
            Ok(handle)
        } else {
            Err(not_running())
        }
    }

    async fn sku_here(&self, question: SkuQuestion) -> Result<SkuAnswer, Fault> {
        let handle = self.running(&question.connection)?;
        let parked = self
            .questions
            .parked_sku(&question.connection, &question.sku)
            .await;
        let parked = parked.map_err(fault)?;
        let erp = self.levels.of_sku(&handle.tenant, &question.sku);
        let erp = erp.into_iter().map(|(source, cell)| ErpValue {
            source: source.as_ref().to_owned(),
            value: K::describe(&cell.level.value),
            version: cell.level.version.number(),
            time: cell.level.time,
        });
        let mut answer = SkuAnswer {
            erp: erp.collect(),
            ..SkuAnswer::default()
        };
        describe(&handle, &question, &mut answer);
        if let Some(parked) = &parked {
            answer.reason = Some(format!("{}: {}", parked.code, parked.text));
        }
        answer.parked = parked;
        Ok(answer)
    }

    async fn lane_here(&self, question: ConnectionQuestion) -> Result<LaneStatus, Fault> {
        let handle = self.running(&question.connection)?;
        let (mut status, asked) = {
            let state = handle.state();
            let counts = state.lane.counts();
            let status = LaneStatus {
                running: state.owned.is_some(),
                listed: count(counts.listed),
                dirty: count(counts.dirty),
                oldest_dirty: counts.oldest_dirty,
                parked: count(counts.parked),
                last_confirmed: counts.last_confirmed,
                stopped: handle.stopped(&state, Timestamp::now()),
                ..LaneStatus::default()
            };
            (status, handle.to_approve(&state))
        };
        if let Some(asked) = asked.filter(|asked| !asked.changes.is_empty()) {
            status.asks = Some(count(asked.changes.len()));
            status.asks_digest = Some(asked.digest());
        }
        Ok(status)
    }

    async fn receipts(&self, question: PageQuestion) -> Result<Page<Receipt>, Fault> {
        let receipts = self
            .questions
            .receipts::<K::Wanted>(&question, K::describe_wanted);
        receipts.await.map_err(fault)
    }

    async fn parked(&self, question: PageQuestion) -> Result<Page<Parked>, Fault> {
        self.questions.parked(&question).await.map_err(fault)
    }

    async fn retry_parked(&self, question: RetryParked) -> Result<Retried, Fault> {
        let now = Timestamp::now();
        let found = self
            .questions
            .retry_parked(&question.tenant, &question.id, now)
            .await;
        let found = found.map_err(fault)?;
        // The lane may run here; if not, its owner finds it.
        self.lanes.doubted().notify_one();
        Ok(Retried { found })
    }

    async fn reconcile(&self, question: Reconcile) -> Result<ReconcileAnswer, Fault> {
        // Another replica may own the lane: whoever does finds what is asked for here.
        let handle = self.lane_of(&question.connection)?;
        if handle.tenant != question.tenant {
            return Err(unknown());
        }
        let asked = self
            .questions
            .ask_reconciliation(&question, Timestamp::now());
        let accepted = asked.await.map_err(fault)?;
        self.reconcile.notify_one();
        Ok(ReconcileAnswer { accepted })
    }

    async fn drift(&self, question: DriftQuestion) -> Result<DriftReports, Fault> {
        self.questions.drift_reports(&question).await.map_err(fault)
    }

    async fn approve(&self, question: Approve) -> Result<Approved, Fault> {
        match self
            .elsewhere(&question.connection, APPROVE, &question)
            .await?
        {
            Some(answer) => Ok(answer),
            None => self.approve_here(question).await,
        }
    }

    /// Committed first, so that a restart knows of it; then the lane lets it go.
    async fn approve_here(&self, question: Approve) -> Result<Approved, Fault> {
        let handle = self.running(&question.connection)?;
        let found = handle.to_approve(&handle.state()).ok_or_else(not_running)?;
        let waiting = count(found.changes.len());
        // Fewer are others, too: what was taken back may have made room for what nobody saw.
        let shown = (waiting, found.digest()) == (question.number, question.digest);
        if waiting == 0 || !shown {
            return Ok(Approved {
                approved: None,
                waiting,
            });
        }
        let approval = Approval {
            address: found.address,
            changes: found.changes,
            at: Timestamp::now(),
        };
        let kept = self.questions.approve(&found.lane.connection, &approval);
        kept.await.map_err(fault)?;
        handle.approve(approval);
        Ok(Approved {
            approved: Some(waiting),
            waiting,
        })
    }

    fn lane_of(&self, connection: &ConnectionId) -> Result<Arc<LaneHandle<K>>, Fault> {
        self.lanes.get(connection).ok_or_else(unknown)
    }
}

/// Fills in what the lane knows of an article.
fn describe<K: LaneKind>(handle: &LaneHandle<K>, question: &SkuQuestion, answer: &mut SkuAnswer) {
    let state = handle.state();
    let known = handle.levels.known_sku(&question.sku);
    let view = known.and_then(|sku| Some((sku, state.lane.view(sku)?)));
    let Some((sku, view)) = view else {
        answer.reason = Some("lane.not_listed: the store does not list this article".to_owned());
        return;
    };
    let now = Timestamp::now();
    answer.holds = held_back(handle, sku, now);
    let wanted = state.why_not(&handle.levels, sku);
    answer.confirmed = view
        .last
        .as_ref()
        .filter(|_| view.confirmed_at.is_some())
        .map(K::describe_wanted);
    answer.confirmed_at = view.confirmed_at;
    answer.reason = match &wanted {
        Err(reason) => Some(format!("{}: {}", reason.code, reason.text)),
        Ok(None) => Some("lane.nothing_chosen: the connection publishes no source".to_owned()),
        Ok(Some(wanted)) => {
            answer.wanted = Some(K::describe_wanted(wanted));
            let same = view.confirmed_at.is_some() && view.last.as_ref() == Some(wanted);
            answer.dirty = !same || view.waiting || view.in_flight || view.recheck.is_some();
            let stopped = if view.withheld {
                handle.stopped(&state, now)
            } else {
                closed_reason(&state, now)
            };
            why_dirty(&view, same, stopped)
        }
    };
    if let Some(blocked) = view.blocked {
        let word = serde_json::to_value(blocked).ok();
        let word = word
            .as_ref()
            .and_then(|word| word.as_str())
            .unwrap_or("blocked");
        answer.wanted = None;
        answer.dirty = false;
        answer.reason = Some(format!(
            "listing.{word}: nothing is written for this article"
        ));
    }
}

fn held_back<K: LaneKind>(handle: &LaneHandle<K>, sku: SkuId, now: Timestamp) -> Vec<HeldBack> {
    let holds = handle.levels.holds(sku).into_iter();
    let holds = holds.filter(|hold| hold.counts(&handle.connection, now));
    let shown = holds.map(|hold| HeldBack {
        id: hold.id,
        quantity: hold.quantity.to_string(),
        until: hold.until,
    });
    shown.collect()
}

fn why_dirty<W>(
    view: &SkuView<W>,
    same: bool,
    closed: Option<storelink_events::rpc::Stopped>,
) -> Option<String> {
    if view.in_flight {
        return Some("lane.under_way: a request is under way".to_owned());
    }
    if !same || view.waiting {
        return Some(match closed {
            Some(stopped) => format!("{}: {}", stopped.code, stopped.text),
            None => "lane.waiting: it waits for its turn".to_owned(),
        });
    }
    if view.drifted {
        let text = "lane.drift: the store shows another value than it confirmed";
        return Some(text.to_owned());
    }
    view.recheck.map(|due| {
        format!("lane.recheck: an earlier request may still take effect; written again at {due}")
    })
}

fn not_running() -> Fault {
    let text = "no process runs the lane of this store at the moment; one takes it soon";
    Fault::new("lane.not_running", text)
}

fn unknown() -> Fault {
    Fault::new("connection.unknown", "no store with this id is linked")
}

fn fault(error: DbError) -> Fault {
    Fault::new(error.code(), "the publisher's database does not answer")
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
