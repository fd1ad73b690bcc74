//! `rpc.connection-registry.run`: pollers tell how runs ended.

use storelink_bus::rpc::{Endpoint, Fault, RpcError};
use storelink_events::internal::RunReport;
use storelink_events::{rpc, subject};
use storelink_persistence::DbError;
use tokio_util::sync::CancellationToken;

use crate::registry::{Registry, Shared};
use crate::{SERVICE, runs, state_watch};

/// Answers until cancelled.
pub(crate) async fn run(registry: Shared, cancel: CancellationToken) -> Result<(), RpcError> {
    let endpoint: Endpoint<RunReport> =
        Endpoint::new(&registry.bus, subject::rpc(SERVICE, rpc::RUN), SERVICE);
    let answer = move |call: storelink_bus::rpc::Call<RunReport>| {
        let registry = registry.clone();
        async move {
            registry.take_report(&call.request).await.map_err(|error| {
                tracing::warn!(%error, code = error.code(), "a report was not kept");
                Fault::new(error.code(), "the report was not kept: send it again")
            })
        }
    };
    endpoint.serve(answer, cancel).await
}

impl Registry {
    /// Notes how a run ended. A report of a run that nobody knows any more is no error: its job may
    /// be older than what is kept, or come from a webhook.
    pub(crate) async fn take_report(&self, report: &RunReport) -> Result<(), DbError> {
        if !runs::finish(&self.database, report).await? {
            tracing::debug!(run = report.run, connection = %report.connection, "unknown run");
            return Ok(());
        }
        let mut transaction = self.database.begin().await?;
        state_watch::look_soon(&mut transaction, &report.connection).await?;
        transaction.commit().await
    }
}
