//! A refused permission, told as what it is.
//!
//! The server answers a forbidden request with silence and a note beside the connection: without a
//! look at those notes, a mistake in the broker's users would look like a slow broker.

use std::future::Future;

use crate::{Bus, Violation, ViolationKind};

/// What the broker does not allow to this process's user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the broker user {user} may not {} {subject}: correct the permissions of the role (`storelink broker users write`)",
    verb(*.kind)
)]
pub struct Forbidden {
    /// Publish or subscribe.
    pub kind: ViolationKind,
    /// The subject that was refused.
    pub subject: String,
    /// Name of the role, and its public key or name on the broker.
    pub user: String,
}

impl Forbidden {
    /// Stable code for operators.
    pub fn code(&self) -> &'static str {
        Self::CODE
    }

    pub(crate) const CODE: &'static str = "bus.forbidden";
}

fn verb(kind: ViolationKind) -> &'static str {
    match kind {
        ViolationKind::Publish => "publish on",
        ViolationKind::Subscription => "subscribe to",
    }
}

impl Bus {
    /// What a violation means for this connection.
    pub(crate) fn forbidden(&self, violation: Violation) -> Forbidden {
        Forbidden {
            kind: violation.kind,
            subject: violation.subject,
            user: self.user().to_owned(),
        }
    }

    /// Makes a request on `subject` and ends it at once when the broker forbids that.
    ///
    /// # Errors
    /// When the user may not publish there.
    pub async fn permitted<T>(
        &self,
        subject: &str,
        request: impl Future<Output = T>,
    ) -> Result<T, Forbidden> {
        let since = self.monitor().violation_count();
        tokio::select! {
            biased;
            answer = request => Ok(answer),
            violation = self.monitor().publish_refused(subject, since) => {
                Err(self.forbidden(violation))
            }
        }
    }

    /// The first refused permission with a number above `seen`; waits for it.
    pub async fn violation_after(&self, seen: u64) -> (u64, Forbidden) {
        let violation = self.monitor().violation_after(seen).await;
        (violation.number(), self.forbidden(violation))
    }
}
