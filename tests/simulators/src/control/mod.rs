//! The control API: lets another process make stores, drive them and read what happened.

mod routes;

use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use crate::server;
use crate::simulators::{SimulatorError, Simulators};

/// A running control API.
#[derive(Debug, Clone)]
pub struct ControlServer {
    address: SocketAddr,
}

impl ControlServer {
    pub(crate) fn start(
        simulators: Simulators,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> Result<Self, SimulatorError> {
        let listener = server::bind(address)?;
        let address = listener.local_addr()?;
        tokio::spawn(server::serve_simple(listener, stop, move |request| {
            let simulators = simulators.clone();
            async move { routes::answer(&simulators, &request).await }
        }));
        Ok(Self { address })
    }

    /// Where the control API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
