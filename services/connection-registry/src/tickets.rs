//! Verification tickets: the proof that exactly these values were green a moment ago.

use serde::{Deserialize, Serialize};
use storelink_model::{ConnectionId, Timestamp};
use time::Duration;

use crate::installation::SigningKey;
use crate::problem::{Answer, Problem, catalogue};

/// How long a ticket counts.
pub(crate) const LIFETIME: Duration = Duration::minutes(10);
const PURPOSE: &str = "verification ticket";

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// For which connection.
    pub(crate) connection: ConnectionId,
    /// By which verification.
    pub(crate) verification: String,
    /// The fingerprint of the values that were verified.
    pub(crate) values: String,
    /// Until when.
    pub(crate) expires: Timestamp,
}

impl Ticket {
    /// The ticket as callers carry it.
    pub(crate) fn issue(&self, key: &SigningKey) -> String {
        key.seal_text(PURPOSE, &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a ticket of this connection that is signed by this installation and still counts.
    pub(crate) fn read(
        key: &SigningKey,
        text: &str,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Answer<Self> {
        let ticket: Self = key
            .open_text(PURPOSE, text)
            .and_then(|text| serde_json::from_slice(&text).ok())
            .ok_or_else(|| Problem::new(catalogue::TICKET_INVALID))?;
        if ticket.connection != *connection {
            return Err(Problem::new(catalogue::TICKET_INVALID));
        }
        if ticket.expires <= now {
            return Err(Problem::new(catalogue::TICKET_EXPIRED));
        }
        Ok(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_counts_for_its_connection_and_its_time() {
        let key = SigningKey::for_test(1);
        let issued = Timestamp::now();
        let ticket = Ticket {
            connection: ConnectionId::generate(),
            verification: "ver_1".to_owned(),
            values: "hash".to_owned(),
            expires: issued.saturating_add(LIFETIME),
        };
        let text = ticket.issue(&key);
        let code = |key: &SigningKey, text: &str, connection: &ConnectionId, now: Timestamp| {
            Ticket::read(key, text, connection, now).map_err(|problem| problem.kind.code)
        };
        let just_before = ticket.expires.saturating_sub(Duration::microseconds(1));
        assert_eq!(
            code(&key, &text, &ticket.connection, just_before),
            Ok(ticket.clone())
        );
        assert_eq!(
            code(&key, &text, &ticket.connection, ticket.expires),
            Err("ticket.expired")
        );
        let other = ConnectionId::generate();
        assert_eq!(code(&key, &text, &other, issued), Err("ticket.invalid"));
        let foreign = SigningKey::for_test(2);
        assert_eq!(
            code(&foreign, &text, &ticket.connection, issued),
            Err("ticket.invalid")
        );
        for broken in ["", "x", "x.y", &text[1..], &text.to_uppercase()] {
            assert_eq!(
                code(&key, broken, &ticket.connection, issued),
                Err("ticket.invalid"),
                "{broken}"
            );
        }
    }
}
