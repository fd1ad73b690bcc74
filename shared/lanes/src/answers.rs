//! Answers questions of other services, from SQL and from the lanes of this process.

use std::sync::Arc;

use storelink_bus::Bus;
use storelink_bus::rpc::{Call, Endpoint, Fault};
use storelink_events::rpc::{
    APPROVE, Approve, Approved, ConnectionQuestion, ErpValue, HeldBack, LANE, LaneStatus, PARKED,
    Page, PageQuestion, Parked, RECEIPTS, RETRY_PARKED, Receipt, Retried, RetryParked, SKU,
    SkuAnswer, SkuQuestion,
};
use storelink_events::subject;
use storelink_model::Timestamp;
use storelink_persistence::DbError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::kind::LaneKind;
use crate::lane::{DoubtKind, SkuView};
use crate::levels::{Levels, SkuId};
use crate::records::Questions;
use crate::runner::{LaneHandle, Lanes, closed_reason};

/// The error that is left to another replica to answer.
const NOT_OWNER: &str = "lane.not_owner";

/// Answers for one kind of lane.
pub(crate) struct Answers<K: LaneKind> {
    pub(crate) lanes: Lanes<K>,
    pub(crate) levels: Levels<K>,
    pub(crate) questions: Arc<Questions>,
}

impl<K: LaneKind> Answers<K> {
    /// Serves all questions until cancelled.
    pub(crate) fn serve(self, bus: &Bus, shutdown: &CancellationToken, tasks: &mut JoinSet<()>) {
        let answers = Arc::new(self);
        macro_rules! serve {
            ($verb:expr, $question:ty, $method:ident) => {{
                let answers = answers.clone();
                let service = K::names().service;
                let endpoint =
                    Endpoint::<$question>::new(bus, subject::rpc(service, $verb), service);
                let shutdown = shutdown.clone();
                tasks.spawn(async move {
                    let handler = move |call: Call<$question>| {
                        let answers = answers.clone();
                        async move { answers.$method(call.request).await }
                    };
                    if let Err(error) = endpoint.serve(handler, shutdown).await {
                        tracing::error!(%error, verb = $verb, "questions are not answered any more");
                    }
                });
            }};
        }
        serve!(SKU, SkuQuestion, sku);
        serve!(LANE, ConnectionQuestion, lane);
        serve!(RECEIPTS, PageQuestion, receipts);
        serve!(PARKED, PageQuestion, parked);
        serve!(RETRY_PARKED, RetryParked, retry_parked);
        tasks.spawn(serve_approvals(answers, bus.clone(), shutdown.clone()));
    }

    async fn sku(&self, question: SkuQuestion) -> Result<SkuAnswer, Fault> {
        let handle = self.lane_of(&question.connection)?;
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

    async fn lane(&self, question: ConnectionQuestion) -> Result<LaneStatus, Fault> {
        let handle = self.lane_of(&question.connection)?;
        let state = handle.state();
        let counts = state.lane.counts();
        Ok(LaneStatus {
            running: state.owned.is_some(),
            listed: count(counts.listed),
            dirty: count(counts.dirty),
            oldest_dirty: counts.oldest_dirty,
            parked: count(counts.parked),
            last_confirmed: counts.last_confirmed,
            stopped: handle.stopped(&state, Timestamp::now()),
            asks: state.lane.asks().map(|asks| count(asks.number)),
        })
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
        let Some((connection, sku)) = found.map_err(fault)? else {
            return Ok(Retried { found: false });
        };
        if let Some(handle) = self.lanes.get(&connection) {
            let id = handle.levels.sku_id(&sku);
            handle.state().lane.doubt(id, DoubtKind::Retry, now);
            handle.wake.notify_one();
        }
        Ok(Retried { found: true })
    }

    /// Committed first, so that a restart knows of it; then the lane lets it go.
    async fn approve(&self, question: Approve) -> Result<Approved, Fault> {
        let handle = self.lane_of(&question.connection)?;
        let Some(found) = handle.to_approve() else {
            return Err(Fault::new(NOT_OWNER, "another process runs this lane"));
        };
        let waiting = count(found.changes.len());
        if waiting == 0 || waiting > question.number {
            return Ok(Approved {
                approved: None,
                waiting,
            });
        }
        let at = Timestamp::now();
        let kept = self.questions.approve(&found, at).await;
        kept.map_err(fault)?;
        handle.approve(found.changes, at);
        Ok(Approved {
            approved: Some(waiting),
            waiting,
        })
    }

    fn lane_of(
        &self,
        connection: &storelink_model::ConnectionId,
    ) -> Result<Arc<LaneHandle<K>>, Fault> {
        let unknown = || Fault::new("connection.unknown", "no store with this id is linked");
        self.lanes.get(connection).ok_or_else(unknown)
    }
}

/// Every replica hears of an approval, and the one that runs the lane answers.
async fn serve_approvals<K: LaneKind>(
    answers: Arc<Answers<K>>,
    bus: Bus,
    shutdown: CancellationToken,
) {
    let subject = subject::rpc(K::names().service, APPROVE);
    let own_group = uuid::Uuid::now_v7().simple().to_string();
    let endpoint = Endpoint::<Approve>::new(&bus, subject, own_group).silent_on(NOT_OWNER);
    let handler = move |call: Call<Approve>| {
        let answers = answers.clone();
        async move { answers.approve(call.request).await }
    };
    if let Err(error) = endpoint.serve(handler, shutdown).await {
        tracing::error!(%error, verb = APPROVE, "approvals are not taken any more");
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
    view.recheck.map(|due| {
        format!("lane.recheck: an earlier request may still take effect; written again at {due}")
    })
}

fn fault(error: DbError) -> Fault {
    Fault::new(error.code(), "the publisher's database does not answer")
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
