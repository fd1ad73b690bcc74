#![doc = include_str!("../README.md")]

mod cast;
mod orders;
mod phases;
mod progress;
mod table;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use storelink_test_support::api::Api;
use storelink_test_support::erp::Erp;
use storelink_test_support::hub::Hub;
use storelink_test_support::stores::Stores;
use storelink_test_support::system::{System, SystemOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::phases::Play;
use crate::progress::Progress;

/// Five simulated stores, one ERP, and a judge.
#[derive(Debug, Parser)]
#[command(name = "storelink-demo", version)]
struct Arguments {
    /// Leave everything running at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// The tenant that a new installation has.
const TENANT: &str = "default";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            progress::failure(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let progress = Progress::begin();
    let folder = tempfile::Builder::new()
        .prefix("storelink-demo-")
        .tempdir()?;
    let logs = folder.path().join("stores");
    std::fs::create_dir_all(&logs)?;
    let stores = Stores::own_process(&logs).await?;
    let options = SystemOptions {
        folder: Some(folder.path().join("data")),
        ..SystemOptions::one_process()
    };
    let mut system = System::start(options).await?;
    let durability = system.announced("Durability")?;
    progress.done(&format!(
        "the system and the simulated stores run ({durability})"
    ));

    let outcome = tokio::select! {
        outcome = perform(&progress, &system, &stores) => outcome,
        interrupted = asked_to_end() => {
            interrupted?;
            Err(anyhow::anyhow!("it was interrupted"))
        }
    };
    let right = outcome.as_ref().is_ok_and(|right| *right);
    if let Err(error) = &outcome {
        progress::failure(error);
        progress::logs(&system);
    }
    if arguments.keep {
        progress::addresses(&system, &stores);
        asked_to_end().await?;
    }
    system
        .shut_down()
        .await
        .context("the system did not end in order")?;
    progress.done("the system has ended in order");
    Ok(right)
}

/// Ctrl-C at a terminal, or SIGTERM.
async fn asked_to_end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn perform(progress: &Progress, system: &System, stores: &Stores) -> anyhow::Result<bool> {
    let api = Api::new(system.api_url(), system.admin_token()?)?;
    let erp = Erp::over_nats(system.broker_url(), TENANT).await?;
    let mut hub = Hub::connect(system.broker_url()).await?;

    let cast = cast::open(stores).await?;
    progress.done("five stores are open: 1,000 SKUs each, 60 of them variations");
    let links = cast::link_all(&api, &cast).await?;
    progress.done("five stores are linked: draft, verified, activated, schedules on");

    let play = Play {
        progress,
        api: &api,
        erp: &erp,
        stores: stores.client(),
        cast: &cast,
        links: &links,
    };
    play.first_synchronisation().await?;
    let since_us = storelink_test_support::erp::now_us();
    play.hot_skus().await?;
    play.price_change().await?;
    play.orders(&mut hub).await?;

    let verdict = play.judge(since_us).verdict(&mut hub).await?;
    let sample = play.what_the_api_says().await?;
    progress.done("everything is judged once more");
    Ok(table::print(&cast, &verdict, &sample))
}
