//! The front page, and the description of the API.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{Html, IntoResponse};

use super::openapi;

const PAGE: &str = include_str!("home.html");

/// Front page
#[utoipa::path(get, path = "/", operation_id = "front_page", tag = "description",
    responses((status = 200, description = "Where to go on", content_type = "text/html",
        body = String, example = "<!doctype html>…")))]
pub(crate) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

/// The description of this API
#[utoipa::path(get, path = "/v1/openapi.json", operation_id = "describe_api", tag = "description",
    responses((status = 200, description = "OpenAPI 3.1", body = Object,
        example = json!({"openapi": "3.1.0"}))))]
pub(crate) async fn description() -> impl IntoResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(openapi::openapi);
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    )
}
