//! Approving what a publisher keeps back because it would change too much of a store at once.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use storelink_events::rpc::Approve;
use utoipa::ToSchema;

use super::caller::Caller;
use super::extract::OwnConnection;
use super::json::Body;
use crate::problem::{Answer, Problem, catalogue};
use crate::registry::Shared;
use crate::{audit, questions};

/// What is approved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"entity": "stock", "number": 412,
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}))]
pub(crate) struct Approval {
    /// Changes of stock or of prices.
    entity: GuardedEntity,
    /// How many changes were shown: `asks` of the connection's status.
    number: u64,
    /// Which ones were shown: `asks_digest` of the connection's status. When others wait by now, nothing
    /// is approved.
    digest: String,
}

/// What is guarded.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GuardedEntity {
    /// Articles that would be set to zero.
    Stock,
    /// Prices that would change by more than the chosen factor.
    Prices,
}

impl GuardedEntity {
    fn publisher(self) -> &'static str {
        match self {
            Self::Stock => questions::STOCK,
            Self::Prices => questions::PRICES,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Prices => "prices",
        }
    }
}

/// What was approved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"approved": 412}))]
pub(crate) struct ApprovedView {
    /// How many changes.
    approved: u64,
}

/// Approve what waits
///
/// Exactly the changes that the status showed are made, and no others: each article with the value that
/// was wanted then.
#[utoipa::path(post, path = "/v1/connections/{id}/approve", operation_id = "approve_changes", tag = "connections",
    params(("id" = String, Path, description = "The connection")), request_body = Approval,
    responses((status = 200, description = "They are written now", body = ApprovedView)))]
pub(crate) async fn approve(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
    Body(approval): Body<Approval>,
) -> Answer<Json<ApprovedView>> {
    if !connection.is_active() {
        return Err(Problem::new(catalogue::NOT_ACTIVE));
    }
    let Approval {
        entity,
        number,
        digest,
    } = approval;
    let question = Approve {
        connection: connection.id.clone(),
        number,
        digest,
    };
    let answer = registry.ask_approve(entity.publisher(), &question).await?;
    let Some(approved) = answer.approved else {
        return Err(match answer.waiting {
            0 => Problem::new(catalogue::APPROVAL_NOTHING),
            waiting if waiting == number => Problem::new(catalogue::APPROVAL_CHANGED).detail(
                format!("{number} changes were shown, and others wait by now"),
            ),
            waiting => Problem::new(catalogue::APPROVAL_CHANGED).detail(format!(
                "{waiting} changes wait by now, {number} were shown"
            )),
        });
    };
    let object = format!("{} {}", connection.id, entity.as_str());
    let mut transaction = registry.database.begin().await?;
    audit::note(
        &mut transaction,
        &caller.actor(),
        "connection.approve",
        &object,
        None,
        Some(&approved.to_string()),
    )
    .await?;
    transaction.commit().await?;
    Ok(Json(ApprovedView { approved }))
}
