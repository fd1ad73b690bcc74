//! Every role in one process, with a broker of its own.

use std::path::Path;

use anyhow::Context;
use storelink_settings::{Loader, Settings};

use crate::broker::Broker;
use crate::cli::Dev;
use crate::process::Process;
use crate::roles::Role;

/// `storelink dev`
pub(crate) async fn run(config: Option<&Path>, options: &Dev) -> anyhow::Result<()> {
    let mut settings = load(config, &options.data_dir)?;
    std::fs::create_dir_all(&settings.data_dir)
        .with_context(|| format!("the folder {} cannot be made", settings.data_dir.display()))?;

    let broker = if options.no_broker {
        None
    } else {
        let folder = settings.data_dir.join("nats");
        let broker = Broker::start(&folder, options.nats_port, options.sync_always).await?;
        settings.nats.url = broker.url().to_owned().into();
        Some(broker)
    };
    let outcome = run_roles(settings).await;
    if let Some(broker) = broker {
        broker.stop().await;
    }
    outcome
}

/// The configuration with everything in this folder.
fn load(config: Option<&Path>, folder: &Path) -> anyhow::Result<Settings> {
    let usual = Path::new("storelink.toml");
    let file = config.or_else(|| usual.exists().then_some(usual));
    let folder = [("STORELINK_DATA_DIR", folder.to_string_lossy())];
    let loader = Loader::new().variables(std::env::vars()).variables(folder);
    let loader = file
        .into_iter()
        .fold(loader, |loader, file| loader.file(file));
    Ok(loader.load()?)
}

async fn run_roles(settings: Settings) -> anyhow::Result<()> {
    let mut process = Process::start(settings, "dev").await?;
    let context = process.context.clone();
    let platforms = context
        .adapters
        .iter()
        .map(|(platform, _)| platform.clone());
    for role in Role::all(platforms) {
        process.spawn(role.name(), role.run(context.clone()));
    }
    announce(&context.settings);
    process.run().await
}

#[expect(
    clippy::print_stdout,
    reason = "what a person who starts it wants to know"
)]
fn announce(settings: &Settings) {
    println!("Storelink runs. API: http://{}", settings.http.listen);
    println!(
        "First admin token: {}",
        settings.data_dir.join("admin-token").display()
    );
    println!("Broker: {}", settings.nats.url);
}
