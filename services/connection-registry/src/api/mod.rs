//! The HTTP API `/v1`.

pub(crate) mod answer;
mod approvals;
mod audit;
pub(crate) mod caller;
mod connections;
mod drift;
mod event_schema;
mod events;
mod extract;
mod holds;
mod home;
pub(crate) mod idempotency;
mod in_hand;
pub(crate) mod json;
mod ledger;
mod lifecycle;
mod merged;
pub(crate) mod openapi;
mod page;
mod parked;
mod platforms;
mod problems;
mod runs;
mod schedules;
mod schemas;
mod skus;
mod status;
mod tenant;
mod text;
mod tokens;
pub(crate) mod unique_members;
mod views;

use axum::{Router, middleware};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{Problem, catalogue};
use crate::registry::Shared;

/// All routes with what they say about themselves.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::Base::openapi())
        .routes(routes!(home::page))
        .routes(routes!(home::description))
        .routes(routes!(problems::list))
        .routes(routes!(problems::read))
        .routes(routes!(platforms::list))
        .routes(routes!(platforms::read))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(
            connections::read,
            connections::change,
            connections::delete
        ))
        .routes(routes!(lifecycle::verify))
        .routes(routes!(lifecycle::verifications))
        .routes(routes!(lifecycle::activate))
        .routes(routes!(lifecycle::test))
        .routes(routes!(lifecycle::pause))
        .routes(routes!(lifecycle::resume))
        .routes(routes!(approvals::approve))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::read, schedules::set))
        .routes(routes!(schedules::run_now))
        .routes(routes!(runs::list))
        .routes(routes!(drift::reconcile))
        .routes(routes!(drift::list))
        .routes(routes!(skus::read))
        .routes(routes!(status::read))
        .routes(routes!(parked::list))
        .routes(routes!(parked::retry))
        .routes(routes!(holds::list, holds::create))
        .routes(routes!(holds::cancel))
        .routes(routes!(ledger::receipts))
        .routes(routes!(ledger::orders))
        .routes(routes!(tenant::read))
        .routes(routes!(tenant::pause_writes))
        .routes(routes!(tenant::resume_writes))
        .routes(routes!(events::publish))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(audit::list))
}

/// The API as it is served.
pub(crate) fn router(registry: Shared) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .route_layer(middleware::from_fn_with_state(
            registry.clone(),
            idempotency::once,
        ))
        .route_layer(middleware::from_fn_with_state(
            registry.clone(),
            caller::authorize,
        ))
        .fallback(|| async { Problem::new(catalogue::ROUTE_UNKNOWN) })
        .method_not_allowed_fallback(|| async { Problem::new(catalogue::METHOD_NOT_ALLOWED) })
        .layer(middleware::from_fn(answer::finish))
        .layer(middleware::from_fn_with_state(
            in_hand::InHand::shown(),
            in_hand::count,
        ))
        .with_state(registry)
}
