//! Who may do what: one table of all routes. What is not in it is refused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything but tokens and the audit log.
    Viewer,
    /// Sets up and runs connections.
    Operator,
    /// Publishes ERP events and sets holds, nothing else.
    Publisher,
    /// Does all of it and gives tokens.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Publisher, Self::Admin];

    /// The name in API and database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: viewer, operator, publisher or admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Everybody, without a token.
    Everybody,
    /// Tokens of these roles.
    Roles(&'static [Role]),
}

/// One route: method, path with its parameters, who may use it.
pub(crate) type Rule = (&'static str, &'static str, Allowed);

const READ: Allowed = Allowed::Roles(&[Role::Viewer, Role::Operator, Role::Admin]);
const OPERATE: Allowed = Allowed::Roles(&[Role::Operator, Role::Admin]);
const PUBLISH: Allowed = Allowed::Roles(&[Role::Publisher, Role::Operator, Role::Admin]);
const ADMINISTER: Allowed = Allowed::Roles(&[Role::Admin]);
const OPEN: Allowed = Allowed::Everybody;

/// All routes.
pub(crate) const TABLE: &[Rule] = &[
    ("GET", "/", OPEN),
    ("GET", "/v1/openapi.json", OPEN),
    ("GET", "/v1/problems", OPEN),
    ("GET", "/v1/problems/{code}", OPEN),
    ("GET", "/v1/platforms", READ),
    ("GET", "/v1/platforms/{platform}", READ),
    ("POST", "/v1/connections", OPERATE),
    ("GET", "/v1/connections", READ),
    ("GET", "/v1/connections/{id}", READ),
    ("PATCH", "/v1/connections/{id}", OPERATE),
    ("DELETE", "/v1/connections/{id}", OPERATE),
    ("POST", "/v1/connections/{id}/verify", OPERATE),
    ("GET", "/v1/connections/{id}/verifications", READ),
    ("POST", "/v1/connections/{id}/activate", OPERATE),
    ("POST", "/v1/connections/{id}/test", OPERATE),
    ("POST", "/v1/connections/{id}/pause", OPERATE),
    ("POST", "/v1/connections/{id}/resume", OPERATE),
    ("POST", "/v1/connections/{id}/approve", OPERATE),
    ("GET", "/v1/connections/{id}/schedules", READ),
    ("GET", "/v1/connections/{id}/schedules/{entity}", READ),
    ("PUT", "/v1/connections/{id}/schedules/{entity}", OPERATE),
    (
        "POST",
        "/v1/connections/{id}/schedules/{entity}/run-now",
        OPERATE,
    ),
    ("GET", "/v1/connections/{id}/runs", READ),
    ("POST", "/v1/connections/{id}/reconcile", OPERATE),
    ("GET", "/v1/connections/{id}/drift", READ),
    ("GET", "/v1/connections/{id}/skus/{sku}", READ),
    ("GET", "/v1/connections/{id}/status", READ),
    ("GET", "/v1/parked", READ),
    ("POST", "/v1/parked/{id}/retry", OPERATE),
    ("GET", "/v1/holds", READ),
    ("POST", "/v1/holds", PUBLISH),
    ("DELETE", "/v1/holds/{id}", PUBLISH),
    ("GET", "/v1/receipts", READ),
    ("GET", "/v1/orders", READ),
    ("GET", "/v1/tenant", READ),
    ("POST", "/v1/tenant/pause-writes", OPERATE),
    ("POST", "/v1/tenant/resume-writes", OPERATE),
    ("POST", "/v1/events", PUBLISH),
    ("GET", "/v1/tokens", ADMINISTER),
    ("POST", "/v1/tokens", ADMINISTER),
    ("DELETE", "/v1/tokens/{id}", ADMINISTER),
    ("GET", "/v1/audit", ADMINISTER),
];

/// Who may use this route; none when the table has no such route. HEAD counts as GET.
pub(crate) fn allowed(method: &str, path: &str) -> Option<Allowed> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE
        .iter()
        .find(|(known, template, _)| *known == method && *template == path)
        .map(|(_, _, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_back_and_nothing_else_is_one() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
        assert!("Admin".parse::<Role>().is_err());
    }

    #[test]
    fn what_is_not_in_the_table_is_allowed_to_nobody() {
        assert_eq!(allowed("GET", "/v1/tokens"), Some(ADMINISTER));
        assert_eq!(allowed("HEAD", "/v1/tokens"), Some(ADMINISTER));
        assert_eq!(allowed("PUT", "/v1/tokens"), None);
        assert_eq!(allowed("GET", "/v1/other"), None);
    }
}
