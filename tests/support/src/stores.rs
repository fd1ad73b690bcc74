//! The simulated stores of a test: inside its own process, or as a process of their own.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use storelink_simulators::woocommerce::{ApiKey, StoreSpec};
use storelink_simulators::{LedgerEntry, LedgerFilter, SimulatorClient, Simulators, StoreInfo};

use crate::eventually::eventually;
use crate::processes::{Program, RunningProcess, built_program};

/// Names the program to run instead of the one that was built beside the tests.
pub const BINARY_VARIABLE: &str = "STORELINK_SIMULATORS_BINARY";

const START_LIMIT: Duration = Duration::from_secs(20);
const PAGE: usize = 1_000;

/// Simulated stores with their control API. They end when dropped.
pub struct Stores {
    client: SimulatorClient,
    control: String,
    _place: Place,
}

enum Place {
    Here { _simulators: InProcess },
    Process { _process: RunningProcess },
}

/// Stops what it holds when it is dropped.
struct InProcess(Simulators);

impl Drop for InProcess {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Stores {
    /// Stores inside this process: for tests.
    ///
    /// # Errors
    /// When their control API cannot listen.
    pub async fn in_process() -> anyhow::Result<Self> {
        let simulators = Simulators::new();
        let control = simulators.serve_control(([127, 0, 0, 1], 0).into()).await?;
        let address = control.address();
        Ok(Self {
            client: SimulatorClient::new(address),
            control: format!("http://{address}"),
            _place: Place::Here {
                _simulators: InProcess(simulators),
            },
        })
    }

    /// Stores as a process of their own, whose output goes to `folder`.
    ///
    /// # Errors
    /// When the program is not built or does not start.
    pub async fn own_process(folder: &Path) -> anyhow::Result<Self> {
        let path = built_program("storelink-simulators", BINARY_VARIABLE)?;
        let process = RunningProcess::start(&Program {
            name: "simulators",
            path: &path,
            arguments: &[],
            environment: &[],
            folder,
        })?;
        let control = eventually("the simulated stores answer", START_LIMIT, async || {
            let said = process.output();
            let line = said.lines().next_back().unwrap_or_default().trim();
            let address = line
                .strip_prefix("http://")
                .context("no address was printed yet")?;
            Ok(address.parse()?)
        })
        .await
        .with_context(|| process.last_words())?;
        Ok(Self {
            client: SimulatorClient::new(control),
            control: format!("http://{control}"),
            _place: Place::Process { _process: process },
        })
    }

    /// Drives the stores and reads what happened in them.
    #[must_use]
    pub fn client(&self) -> SimulatorClient {
        self.client
    }

    /// The address of the control API.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.control
    }

    /// Opens a store.
    ///
    /// # Errors
    /// When its description makes no sense.
    pub async fn open(&self, spec: &StoreSpec) -> anyhow::Result<StoreInfo> {
        let opened = self.client.add_store(spec).await;
        opened.with_context(|| format!("store {}", spec.name))
    }
}

/// The key of a store; the one every store has when its description names none.
#[must_use]
pub fn key_of(spec: &StoreSpec) -> ApiKey {
    spec.keys
        .first()
        .cloned()
        .unwrap_or_else(ApiKey::default_pair)
}

/// Everything that happened in a store, or all that could change it.
///
/// # Errors
/// When the control API is away.
pub async fn ledger(
    client: &SimulatorClient,
    store: &str,
    writes_only: bool,
) -> anyhow::Result<Vec<LedgerEntry>> {
    let mut filter = LedgerFilter {
        limit: PAGE,
        store: Some(store.to_owned()),
        writes_only,
        ..LedgerFilter::default()
    };
    let mut entries = Vec::new();
    loop {
        let page = client.ledger(&filter).await?;
        entries.extend(page.entries);
        if page.next_after >= page.last_seq || page.next_after <= filter.after {
            return Ok(entries);
        }
        filter.after = page.next_after;
    }
}
