//! The catalogue of errors, for people and programs that meet a code.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Params;
use crate::problem::{Answer, Kind, Problem, catalogue};

/// One kind of error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "code": "ticket.expired", "status": 409, "title": "The verification ticket has expired",
    "remedy": "Verify again; a ticket is valid for 10 minutes."
}))]
pub(crate) struct KindView {
    /// Stable code.
    code: &'static str,
    /// HTTP status.
    status: u16,
    /// What happened.
    title: &'static str,
    /// What to do.
    remedy: &'static str,
}

/// All kinds of errors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"items": [{"code": "ticket.expired", "status": 409,
    "title": "The verification ticket has expired",
    "remedy": "Verify again; a ticket is valid for 10 minutes."}]}))]
pub(crate) struct Kinds {
    /// The catalogue.
    items: Vec<KindView>,
}

#[derive(Deserialize)]
pub(crate) struct CodePath {
    code: String,
}

/// List the kinds of errors
#[utoipa::path(get, path = "/v1/problems", operation_id = "list_problems", tag = "problems",
    responses((status = 200, description = "The catalogue", body = Kinds)))]
pub(crate) async fn list() -> Json<Kinds> {
    Json(Kinds {
        items: catalogue::ALL.iter().map(|kind| view(kind)).collect(),
    })
}

/// Explain a code
#[utoipa::path(get, path = "/v1/problems/{code}", operation_id = "read_problem", tag = "problems",
    params(("code" = String, Path, description = "The code")),
    responses((status = 200, description = "What it means and what to do", body = KindView)))]
pub(crate) async fn read(Params(path): Params<CodePath>) -> Answer<Json<KindView>> {
    catalogue::by_code(&path.code)
        .map(|kind| Json(view(kind)))
        .ok_or_else(Problem::not_found)
}

fn view(kind: &Kind) -> KindView {
    KindView {
        code: kind.code,
        status: kind.status,
        title: kind.title,
        remedy: kind.remedy,
    }
}
