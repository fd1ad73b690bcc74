//! The floor: the least that does the same job. One consumer, one task for each store, batches of what has
//! piled up, no database, no mapping, no secrets. A process of its own, so that its processor time is its own.

mod pile;
mod worker;

use std::path::Path;
use std::time::Duration;

use clap::Args;
use storelink_test_support::eventually::eventually;
use storelink_test_support::processes::{Program, RunningProcess};

pub(crate) use worker::{create_stream, run};

/// The stream of all floors.
const STREAM: &str = "FLOOR";
const READY: &str = "ready";
const START_LIMIT: Duration = Duration::from_secs(20);

/// What a floor works on.
#[derive(Debug, Clone, Args)]
pub(crate) struct Job {
    /// Address of the broker.
    #[arg(long)]
    pub(crate) broker: String,
    /// Name of the fleet.
    #[arg(long)]
    pub(crate) fleet: String,
    /// Address of a store; once for each.
    #[arg(long = "store")]
    pub(crate) stores: Vec<String>,
}

impl Job {
    /// The subject of its events, of the same shape as that of the ERP's.
    pub(crate) fn subject(&self) -> String {
        format!("floor.{}.stock.changed", self.fleet)
    }

    /// Starts it as a process and waits until it reads.
    pub(crate) async fn start(&self, folder: &Path) -> anyhow::Result<RunningProcess> {
        let mut arguments = vec!["floor".to_owned()];
        let mut add = |name: &str, value: &str| {
            arguments.extend([name.to_owned(), value.to_owned()]);
        };
        add("--broker", &self.broker);
        add("--fleet", &self.fleet);
        for store in &self.stores {
            add("--store", store);
        }
        let process = RunningProcess::start(&Program {
            name: &format!("floor-{}", self.fleet),
            path: &std::env::current_exe()?,
            arguments: &arguments,
            environment: &[],
            folder,
        })?;
        eventually("the floor reads", START_LIMIT, async || {
            anyhow::ensure!(process.output().contains(READY), "{}", process.last_words());
            Ok(())
        })
        .await?;
        Ok(process)
    }
}

/// The subcommand: works until it is ended.
#[expect(clippy::print_stdout, reason = "who started it waits for this word")]
pub(crate) async fn serve(job: Job) -> anyhow::Result<()> {
    run(job, || println!("{READY}")).await
}
