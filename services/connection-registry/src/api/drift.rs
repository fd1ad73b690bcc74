//! Reconciliation: what a store shows beside what it should show.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use storelink_events::rpc::{Difference, DriftQuestion, DriftReport};
use storelink_model::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::extract::{OwnConnection, QueryOf};
use super::json::Body;
use super::runs::RunView;
use crate::connections::Connection;
use crate::problem::{Answer, FieldError, Problem, catalogue};
use crate::registry::{Registry, Shared};
use crate::schedules;

/// Reports of an answer when nothing is said, and at most.
const REPORTS: u32 = 5;
const MOST_REPORTS: u32 = 10;

/// What to reconcile.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"entity": "stock"}))]
pub(crate) struct ReconcileWish {
    /// `stock` or `prices`.
    entity: String,
}

/// Which reports.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DriftQuery {
    /// `stock` or `prices`.
    entity: String,
    /// How many, 1 to 10; 5 when left out.
    #[param(minimum = 1, maximum = 10)]
    limit: Option<u32>,
}

/// What the last reconciliations found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"items": [{
    "run": "run_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "asked": "2026-11-22T02:30:00Z",
    "started": "2026-11-22T02:30:01Z", "finished": "2026-11-22T02:31:10Z", "observed": false,
    "pages": 100, "compared": 9987, "differing": 1, "to_zero": 0, "corrected": 1, "waiting": 3,
    "unpublished": 8, "unknown": 2, "missing": 0, "unreadable": 0, "needs_attention": false,
    "sample": [{"sku": "MUG-01", "shown": "40", "wanted": "35"}]
}]}))]
pub(crate) struct DriftReports {
    /// Newest first.
    items: Vec<DriftView>,
}

/// What one reconciliation found. Counts are zero until it is finished.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DriftView {
    /// The run that it belongs to.
    run: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    asked: Timestamp,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    started: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished: Option<Timestamp>,
    /// Whether the differences are only reported, since nothing is to be written.
    observed: bool,
    /// Pages read.
    pages: u64,
    /// Articles whose value was compared with the wanted one.
    compared: u64,
    /// Those of them that showed another value.
    differing: u64,
    /// Those of them that show stock and should show none.
    to_zero: u64,
    /// Those of them that are written again.
    corrected: u64,
    /// Articles that were not compared, because a write or a doubt is open or a person must act.
    waiting: u64,
    /// Articles for which nothing is to be written: blocked, or without a value of the ERP.
    unpublished: u64,
    /// Articles of the store that the catalogue does not know in this place.
    unknown: u64,
    /// Articles that are written and that the store did not show.
    missing: u64,
    /// Products that could not be understood.
    unreadable: u64,
    /// The first differences, at most 100.
    sample: Vec<DifferenceView>,
    /// Stable code of the error that ended it early.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    /// The error in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_text: Option<String>,
    /// Whether a person must act.
    needs_attention: bool,
}

/// An article that did not show what it should.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DifferenceView {
    /// Which.
    sku: String,
    /// What the store showed.
    shown: String,
    /// What it should show.
    wanted: String,
}

/// Reconcile a store
///
/// Reads the store page by page and writes what differs from what it should show. While values are not
/// written, because the connection only observes or the schedule of the entity is switched off, it
/// only reports what would be written. The same as running the schedule of the entity now.
#[utoipa::path(post, path = "/v1/connections/{id}/reconcile", operation_id = "reconcile", tag = "schedules",
    params(("id" = String, Path, description = "The connection")), request_body = ReconcileWish,
    responses((status = 202, description = "The run; its end is in the list of runs", body = RunView)))]
pub(crate) async fn reconcile(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
    Body(wish): Body<ReconcileWish>,
) -> Answer<Response> {
    if registry.reconciling(&connection, &wish.entity)?.is_none() {
        let detail = "it must be an entity that is written to the store: stock or prices";
        let error = FieldError::new("/entity", "reconcile.entity", detail.to_owned());
        return Err(Problem::new(catalogue::INVALID).errors(vec![error]));
    }
    registry
        .run_now(&caller, &connection, &wish.entity, true)
        .await
}

/// List drift reports
///
/// What the last reconciliations of an entity found. The last 10 are kept.
#[utoipa::path(get, path = "/v1/connections/{id}/drift", operation_id = "list_drift", tag = "schedules",
    params(("id" = String, Path, description = "The connection"), DriftQuery),
    responses((status = 200, description = "Newest first", body = DriftReports)))]
pub(crate) async fn list(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
    QueryOf(query): QueryOf<DriftQuery>,
) -> Answer<Json<DriftReports>> {
    let refuse = |detail: &str| Err(Problem::new(catalogue::QUERY_INVALID).detail(detail));
    let Some(service) = registry.reconciling(&connection, &query.entity)? else {
        return refuse("`entity` must be stock or prices");
    };
    let limit = query.limit.unwrap_or(REPORTS);
    if !(1..=MOST_REPORTS).contains(&limit) {
        return refuse("`limit` must be 1 to 10");
    }
    let question = DriftQuestion {
        tenant: caller.tenant,
        connection: connection.id,
        limit,
    };
    let reports = registry.ask_drift(service, &question).await?;
    let items = reports.items.into_iter().map(DriftView::from).collect();
    Ok(Json(DriftReports { items }))
}

impl Registry {
    /// The publisher that reconciles an entity of a connection; none when it is not reconciled.
    fn reconciling(&self, connection: &Connection, entity: &str) -> Answer<Option<&'static str>> {
        let descriptor = self.adapter_of(connection)?.descriptor();
        let known = schedules::entity(descriptor, entity).is_some();
        let reconciled = known && schedules::is_reconciled(descriptor, entity);
        Ok(schedules::publisher(entity).filter(|_| reconciled))
    }
}

impl From<DriftReport> for DriftView {
    fn from(report: DriftReport) -> Self {
        let drift = report.drift;
        Self {
            run: report.run,
            asked: report.asked,
            started: report.started,
            finished: report.finished,
            observed: drift.observed,
            pages: drift.pages,
            compared: drift.compared,
            differing: drift.differing,
            to_zero: drift.to_zero,
            corrected: drift.corrected,
            waiting: drift.waiting,
            unpublished: drift.unpublished,
            unknown: drift.unknown,
            missing: drift.missing,
            unreadable: drift.unreadable,
            sample: drift.sample.into_iter().map(Into::into).collect(),
            error_code: drift.error_code,
            error_text: drift.error_text,
            needs_attention: drift.needs_attention,
        }
    }
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        Self {
            sku: difference.sku.into(),
            shown: difference.shown,
            wanted: difference.wanted,
        }
    }
}
