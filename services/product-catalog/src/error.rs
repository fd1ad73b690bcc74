use storelink_bus::WorkLoopError;
use storelink_bus::rpc::RpcError;
use storelink_persistence::DbError;
use storelink_service::StartError;

/// Why the catalogue ended.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Products can no longer be read.
    #[error(transparent)]
    Work(#[from] WorkLoopError),
    /// Questions can no longer be answered.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}
