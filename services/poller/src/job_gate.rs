//! The gate of a job: no request leaves for a job that is another process's meanwhile.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use storelink_adapter_api::{Denied, Permit, Purpose, RequestGate};
use storelink_bus::Hold;

/// The code of the error when a request was not sent since the job was lost.
pub(crate) const NOT_OWNER: &str = "gate.not_owner";

/// Lets a request through when the connection does and the job is still this process's own. That is
/// asked last, immediately before the request leaves: a process that was frozen and wakes up is
/// silent, while the one that got its job goes on.
pub(crate) struct JobGate {
    pub(crate) connection: Arc<dyn RequestGate>,
    pub(crate) hold: Hold,
}

#[async_trait]
impl RequestGate for JobGate {
    async fn admit(&self, purpose: Purpose) -> Result<Permit, Denied> {
        let permit = self.connection.admit(purpose).await?;
        if self.hold.is_held() {
            Ok(permit)
        } else {
            Err(Denied::NotOwner)
        }
    }

    fn observe(&self, status: Option<u16>, elapsed: Duration) {
        self.connection.observe(status, elapsed);
    }
}

#[cfg(test)]
mod tests {
    use storelink_adapter_api::OpenGate;
    use storelink_runtime::Instant;

    use super::*;

    #[tokio::test]
    async fn a_job_that_was_lost_sends_nothing_any_more() {
        let wait = Duration::from_secs(60);
        let gate = |hold| JobGate {
            connection: Arc::new(OpenGate),
            hold,
        };
        let held = gate(Hold::since(Instant::now(), wait));
        assert!(held.admit(Purpose::Orders).await.is_ok());
        let long_ago = Instant::now().checked_sub(wait).unwrap();
        let lost = gate(Hold::since(long_ago, wait));
        let denied = lost.admit(Purpose::Orders).await.unwrap_err();
        assert_eq!(denied, Denied::NotOwner);
    }
}
