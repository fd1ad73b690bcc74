//! Every error that the API answers with, in one table.

/// One kind of error: what is always the same about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Stable code.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What happened, in a few words that never change.
    pub title: &'static str,
    /// What to do, and who.
    pub remedy: &'static str,
}

macro_rules! catalogue {
    ($($name:ident: $status:literal, $code:literal, $title:literal, $remedy:literal;)+) => {
        $(
            #[doc = concat!("`", $code, "`: ", $title, ".")]
            pub const $name: &Kind =
                &Kind { code: $code, status: $status, title: $title, remedy: $remedy };
        )+

        /// The whole table.
        pub const ALL: &[&Kind] = &[$($name),+];
    };
}

catalogue! {
    ROUTE_UNKNOWN: 404, "request.route_unknown", "There is no such address",
        "Compare the address with the description at /v1/openapi.json.";
    METHOD_NOT_ALLOWED: 405, "request.method_not_allowed", "This address does not take this method",
        "Use one of the methods that the header Allow names.";
    BODY_TOO_LARGE: 413, "request.body_too_large", "The body is too large",
        "Send at most 1 MiB; split what is larger.";
    CONTENT_TYPE: 415, "request.content_type", "The body has another content type than expected",
        "Send Content-Type: application/json (for PATCH also application/merge-patch+json), in UTF-8.";
    BODY_TOO_SLOW: 408, "request.body_too_slow", "The body did not arrive in time",
        "Send the body at once; it may take 15 seconds, and each pause in it 5.";
    TOO_MANY: 429, "request.too_many", "This token asks too often",
        "Wait as long as Retry-After says; put several changes into one event.";
    NOT_JSON: 400, "request.not_json", "The body is not JSON",
        "Send one JSON value in UTF-8, each member once.";
    INVALID: 422, "request.invalid", "The body is not what is expected here",
        "Correct the members that `errors` points to.";
    QUERY_INVALID: 400, "request.query_invalid", "The query is not what is expected here",
        "Use only the parameters of the description, with values of their form.";
    CURSOR_INVALID: 400, "request.cursor_invalid", "The cursor does not belong to this list",
        "Begin again without a cursor; use `next` of a page only with the same filters.";
    HEADER_INVALID: 400, "request.header_invalid", "A header is not what is expected",
        "Correct the header that the detail names.";
    TIMED_OUT: 503, "request.timed_out", "The request took too long",
        "Try again; the operation may have had its effect.";
    TOKEN_MISSING: 401, "auth.token_missing", "There is no token",
        "Send the header Authorization: Bearer with a token of this installation.";
    TOKEN_UNKNOWN: 401, "auth.token_unknown", "The token is not known",
        "Check that it was copied whole, or ask an administrator for a new one.";
    TOKEN_EXPIRED: 401, "auth.token_expired", "The token has expired",
        "Ask an administrator for a new one.";
    TOKEN_REVOKED: 401, "auth.token_revoked", "The token was revoked",
        "Ask an administrator for a new one.";
    ROLE: 403, "auth.role", "The role of this token does not allow this",
        "Use a token with one of the roles that the detail names.";
    NOT_FOUND: 404, "object.not_found", "There is no such object",
        "Check the id; objects of other tenants are never shown.";
    PRECONDITION: 412, "object.changed", "The object was changed meanwhile",
        "Read it again and repeat the change on what it is now.";
    NAME_TAKEN: 409, "connection.name_taken", "Another connection has this name",
        "Choose another name.";
    INCOMPLETE: 422, "connection.incomplete", "The connection lacks what verification needs",
        "Enter the members that `errors` points to.";
    NOT_ACTIVE: 409, "connection.not_active", "The connection is not active",
        "Verify and activate it first.";
    PAUSED: 409, "connection.paused", "The connection is paused",
        "Resume it first.";
    CREDENTIALS_UNREADABLE: 409, "connection.credentials_unreadable",
        "The saved credentials cannot be opened",
        "Enter the credentials again, or restore the vault's key files.";
    VERIFY_BUSY: 429, "verification.busy", "Too many verifications run at once",
        "Try again in a few seconds.";
    TICKET_INVALID: 422, "ticket.invalid", "This is no verification ticket of this connection",
        "Verify the connection and send the ticket of a green answer.";
    TICKET_EXPIRED: 409, "ticket.expired", "The verification ticket has expired",
        "Verify again; a ticket is valid for 10 minutes.";
    TICKET_OTHER_VALUES: 409, "ticket.other_values",
        "Address or credentials were changed after the verification",
        "Verify again: a ticket proves only the values that were verified.";
    RUN_QUEUED: 409, "run.already_queued", "A run of this entity waits or is in work already",
        "Wait for its end; its result is in the list of runs.";
    APPROVAL_NOTHING: 409, "approval.nothing", "Nothing waits for an approval",
        "Nothing: what waited was taken back in the ERP or approved already.";
    APPROVAL_CHANGED: 409, "approval.changed", "Something else waits by now than was shown",
        "Look at the connection's status again, and approve what it shows now: `asks` and `asks_digest`.";
    HOLDS_TOO_MANY: 409, "hold.too_many", "The SKU has as many holds as it can have",
        "Cancel holds of this SKU that are not needed, or make one of several.";
    LAST_ADMIN: 409, "token.last_admin", "This is the last token of an administrator",
        "Make another administrator's token first.";
    EVENT_REFUSED: 422, "event.refused", "The event was refused, nothing of it was taken",
        "Correct the members that `errors` points to and send the whole event again.";
    KEY_OTHER_REQUEST: 422, "idempotency.other_request",
        "This idempotency key was used for another request",
        "Use a new key for each new request.";
    KEY_RUNNING: 409, "idempotency.running", "The first request with this key still runs",
        "Wait a moment and repeat the request with the same key.";
    BROKER_FULL: 503, "broker.full", "The broker takes no more events now",
        "Try again later with the same event; its reader is behind.";
    BROKER_UNAVAILABLE: 503, "broker.unavailable", "The broker does not answer",
        "Try again with the same idempotency key; an operator should look if it lasts.";
    SERVICE_UNAVAILABLE: 503, "service.no_answer", "The service that knows this does not answer",
        "Try again; an operator should check that its role runs.";
    DATABASE_UNAVAILABLE: 503, "database.unavailable", "The database does not answer",
        "Try again with the same idempotency key; an operator should look if it lasts.";
    INTERNAL: 500, "internal", "The service failed",
        "Report it with the trace id: the log holds the cause.";
}

/// The kind with this code.
#[must_use]
pub fn by_code(code: &str) -> Option<&'static Kind> {
    ALL.iter().copied().find(|kind| kind.code == code)
}

/// The kind that stands for an answer of this status which no handler of ours gave.
#[must_use]
pub(crate) fn for_status(status: u16) -> &'static Kind {
    match status {
        404 => ROUTE_UNKNOWN,
        405 => METHOD_NOT_ALLOWED,
        408 => BODY_TOO_SLOW,
        429 => TOO_MANY,
        503 | 504 => TIMED_OUT,
        413 => BODY_TOO_LARGE,
        415 => CONTENT_TYPE,
        400..=499 => HEADER_INVALID,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_every_entry_says_what_to_do() {
        let codes: BTreeSet<_> = ALL.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), ALL.len());
        for kind in ALL {
            assert!((400..600).contains(&kind.status), "{}", kind.code);
            assert!(kind.remedy.ends_with('.'), "{}", kind.code);
            assert!(!kind.title.ends_with('.'), "{}", kind.code);
            assert_eq!(by_code(kind.code), Some(*kind));
        }
    }
}
