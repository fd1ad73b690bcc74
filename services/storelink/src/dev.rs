//! Every role in one process, with a broker of its own.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use storelink_bus::users;
use storelink_settings::{Loader, MigrateAtStart, Settings, SqliteSynchronous};

use crate::broker::Broker;
use crate::broker_users::{self, UsersFolder};
use crate::cli::Dev;
use crate::ending::{Ending, Step};
use crate::process::{Process, Setting};
use crate::roles::Role;

/// `storelink dev`
pub(crate) async fn run(config: Option<&Path>, options: &Dev) -> anyhow::Result<()> {
    let mut settings = load(config, &options.data_dir)?;
    if settings.database.migrate_at_start == MigrateAtStart::Auto {
        settings.database.migrate_at_start = MigrateAtStart::Yes;
    }
    if options.fast {
        settings.database.sqlite_synchronous = SqliteSynchronous::Normal;
    }
    // Orders with names and addresses are kept here: nobody else on this machine may read them.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&settings.data_dir)
        .with_context(|| format!("the folder {} cannot be made", settings.data_dir.display()))?;

    let broker = if options.no_broker {
        None
    } else {
        let folder = settings.data_dir.join("nats");
        let users = dev_users(&folder)?;
        let broker = Broker::start(&folder, options.nats_port, !options.fast, &users).await?;
        settings.nats.url = broker.url().to_owned().into();
        settings.nats.credentials_file = Some(users.seed_file(users::DEV));
        Some(broker)
    };
    let (outcome, ending) = run_roles(settings, options).await;
    if let Some(broker) = broker {
        broker.stop(ending.time_for(Step::Broker)).await;
    }
    outcome
}

/// The users of the broker: all roles are in this process and share one. Whoever else is on this
/// machine is the administrator, and needs no key.
fn dev_users(folder: &Path) -> anyhow::Result<UsersFolder> {
    let users = UsersFolder::open(&folder.join("users"))?;
    users.make_keys(&[broker_users::dev(), users::administrator()])?;
    users.render()?;
    Ok(users)
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

async fn run_roles(settings: Settings, options: &Dev) -> (anyhow::Result<()>, Ending) {
    let mut process = match Process::start(settings, "dev", Setting::Development).await {
        Ok(process) => process,
        Err(error) => return (Err(error), Ending::begin()),
    };
    let context = process.context.clone();
    let platforms = context
        .adapters
        .iter()
        .map(|(platform, _)| platform.clone());
    for role in Role::all(platforms) {
        process.spawn(role.name(), role.run(context.clone()));
    }
    announce(&context.settings, options);
    process.run().await
}

#[expect(
    clippy::print_stdout,
    reason = "what a person who starts it wants to know"
)]
fn announce(settings: &Settings, options: &Dev) {
    println!("Storelink runs. API: http://{}", settings.http.listen);
    println!(
        "First admin token: {}",
        settings.data_dir.join("admin-token").display()
    );
    println!("Durability: {}", durability(settings, options));
    println!("Broker: {}", settings.nats.url);
}

/// What a power cut takes away.
fn durability(settings: &Settings, options: &Dev) -> &'static str {
    let rows_are_flushed = !settings.database.url.expose().starts_with("sqlite:")
        || settings.database.sqlite_synchronous == SqliteSynchronous::Full;
    match (rows_are_flushed, options.fast, options.no_broker) {
        (true, false, false) => {
            "every message and every row is on the disk before it is acknowledged"
        }
        (true, _, true) => {
            "every row is on the disk before it is acknowledged; the broker is not ours"
        }
        _ => "fast mode, a power cut may lose what was acknowledged in the last two minutes",
    }
}
