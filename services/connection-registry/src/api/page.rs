//! Lists: pages with a place to go on, in the body and as a link.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storelink_model::TenantId;
use utoipa::{IntoParams, ToSchema};

use crate::cursors::PageRequest;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; none on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// Services that did not answer: what they hold is missing on this page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unavailable: Vec<String>,
    /// The address of this list with its filters, for the link to the next page.
    #[serde(skip)]
    pub(crate) address: String,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Where to go on: `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// How many items, 1 to 500; 50 when left out.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
}

impl PageQuery {
    pub(crate) fn request(&self) -> PageRequest<'_> {
        PageRequest {
            cursor: self.cursor.as_deref(),
            limit: self.limit,
        }
    }
}

impl<T> Listed<T> {
    /// A page of the list at `address`.
    pub(crate) fn new(items: Vec<T>, next: Option<String>, address: impl Into<String>) -> Self {
        Self {
            items,
            next,
            unavailable: Vec::new(),
            address: address.into(),
        }
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let link = self.next.as_ref().map(|next| {
            let joint = if self.address.contains('?') { '&' } else { '?' };
            format!("<{}{joint}cursor={next}>; rel=\"next\"", self.address)
        });
        let mut response = Json(self).into_response();
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// Takes what is beyond a page away; the last item that stays, when there was something beyond.
pub(crate) fn cut<T>(rows: &mut Vec<T>, limit: u32) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last()
}

/// The address of a list with its filters.
pub(crate) fn address(path: &str, filters: &[(&str, Option<&str>)], limit: Option<u32>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in filters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if let Some(limit) = limit {
        query.append_pair("limit", &limit.to_string());
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// What a cursor of a list is bound to: whose list it is, and its filters.
pub(crate) fn list_name(tenant: &TenantId, path: &str, filters: &[(&str, Option<&str>)]) -> String {
    format!("{tenant} {}", address(path, filters, None))
}
