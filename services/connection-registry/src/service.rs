//! The service: opens what it needs, serves the API, runs the clocks, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use storelink_bus::rpc::RpcError;
use storelink_persistence::{Database, Migrator};
use storelink_service::{ServiceContext, StartError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::bootstrap::{self, BootstrapError};
use crate::installation::KeyError;
use crate::registry::{Registry, Shared};
use crate::{
    SERVICE, api, holds, housekeeping, publication, reconciliations, reports, server, state_watch,
    ticks,
};

/// The schema of the registry's database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// How long the clocks have to end their round.
const LAST_ROUND: Duration = Duration::from_secs(20);

/// The registry cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The database cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The first tenant or its token cannot be made.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The installation's signing key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The address is taken or not allowed.
    #[error("the API cannot listen on {address}: {source}; choose another http.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The listener failed.
    #[error("the API's listener failed: {0}")]
    Serve(io::Error),
    /// Reports of pollers cannot be received.
    #[error(transparent)]
    Reports(#[from] RpcError),
}

/// Runs the registry until it is asked to end.
///
/// # Errors
/// When it cannot start, see [`RegistryError`].
pub async fn run(context: ServiceContext) -> Result<(), RegistryError> {
    let address = context.settings.http.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RegistryError::Listen { address, source })?;
    serve(context, listener).await
}

/// The same on a listener that is bound already.
///
/// # Errors
/// As [`run`].
pub async fn serve(context: ServiceContext, listener: TcpListener) -> Result<(), RegistryError> {
    let readiness = context.readiness.check(SERVICE);
    let database = context.database(SERVICE, &MIGRATOR).await?;
    let registry = start(&context, database).await?;
    let clocks = context.shutdown.child_token();
    let mut tasks = spawn_clocks(&registry, &clocks);

    tasks.spawn({
        let (registry, clocks) = (registry.clone(), clocks.clone());
        async move {
            reports::run(registry, clocks)
                .await
                .map_err(RegistryError::from)
        }
    });
    readiness.ready();
    tracing::info!(address = ?listener.local_addr().ok(), "the API listens");
    let served = server::serve(
        listener,
        api::router(registry.clone()),
        context.shutdown.clone(),
    );
    let outcome = tokio::select! {
        served = served => served.map_err(RegistryError::Serve),
        Some(ended) = tasks.join_next() => match ended {
            Ok(outcome) => outcome,
            Err(panic) => Err(RegistryError::Serve(io::Error::other(panic))),
        },
    };
    clocks.cancel();
    let rest = async { while tasks.join_next().await.is_some() {} };
    if timeout(LAST_ROUND, rest).await.is_err() {
        tracing::warn!("the registry's clocks did not end in time");
    }
    registry.database.close().await;
    outcome
}

async fn start(context: &ServiceContext, database: Database) -> Result<Shared, RegistryError> {
    bootstrap::first_start(&database, &context.settings.data_dir).await?;
    Ok(Registry::new(context, database).await?)
}

fn spawn_clocks(
    registry: &Shared,
    cancel: &CancellationToken,
) -> JoinSet<Result<(), RegistryError>> {
    let mut tasks = JoinSet::new();
    macro_rules! clock {
        ($module:ident) => {
            tasks.spawn({
                let (registry, cancel) = (registry.clone(), cancel.clone());
                async move {
                    $module::run(registry, cancel).await;
                    Ok(())
                }
            });
        };
    }
    clock!(ticks);
    clock!(reconciliations);
    clock!(publication);
    clock!(holds);
    clock!(state_watch);
    clock!(housekeeping);
    tasks
}
