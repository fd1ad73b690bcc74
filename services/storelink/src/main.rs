#![doc = include_str!("../README.md")]

mod adapters;
mod backup;
mod broker;
mod broker_users;
mod cli;
mod contracts;
mod dev;
mod ending;
mod keys;
mod orders;
mod permissions;
mod process;
mod publishers;
mod roles;
mod schema;
mod streams;
mod tenants;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = runtime.block_on(run(cli));
    // What still runs was given its time; waiting for it here would have no limit.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Serve(role) => roles::serve(config, &role).await,
        Command::Dev(options) => dev::run(config, &options).await,
        Command::Config(action) => process::config(config, &action),
        Command::Streams(action) => streams::run(config, &action).await,
        Command::Broker(action) => broker_users::run(&action),
        Command::Publishers(action) => publishers::run(&action),
        Command::Keys(action) => keys::run(config, &action),
        Command::Migrate => schema::migrate(config).await,
        Command::Backup { to } => backup::backup(config, &to).await,
        Command::Restore { from } => backup::restore(config, &from).await,
        Command::Tenants(action) => tenants::run(config, &action).await,
        Command::Orders(action) => orders::run(config, &action).await,
        Command::Contracts(action) => contracts::run(&action),
    }
}

/// One clear line with the whole chain of causes.
#[expect(clippy::print_stderr, reason = "the last words of the program")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("storelink: {error:#}");
    ExitCode::FAILURE
}
