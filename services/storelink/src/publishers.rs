//! `storelink publishers …`

use std::path::Path;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use storelink_bus::users::PublisherName;

use crate::broker_users::{UsersFolder, write_secret};
use crate::cli::{PublisherArguments, PublishersAction};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the answer of the command"
)]
pub(crate) fn run(action: &PublishersAction) -> anyhow::Result<()> {
    match action {
        PublishersAction::Add { who, seed_file } => {
            let (tenant, name) = names(who)?;
            let folder = UsersFolder::open(&who.dir)?;
            // Before anything changes: there has to be a user of a role beside it.
            folder.render()?;
            let (publisher, seed) = folder.add_publisher(&tenant, &name)?;
            let handed_over = hand_over(seed.expose_secret(), seed_file.as_deref());
            if handed_over.is_err() {
                folder.remove_publisher(&tenant, &name)?;
            }
            handed_over?;
            folder.render()?;
            eprintln!("{}", next_step(&folder));
            eprintln!(
                "its client has to use the inbox prefix {}",
                publisher.inbox_prefix()
            );
        }
        PublishersAction::List { dir } => {
            for publisher in UsersFolder::open(dir)?.publishers()? {
                let (tenant, name) = (publisher.tenant.as_str(), publisher.name.as_str());
                println!("{tenant} {name} {}", publisher.public_key);
            }
        }
        PublishersAction::Remove(who) => {
            let (tenant, name) = names(who)?;
            let folder = UsersFolder::open(&who.dir)?;
            anyhow::ensure!(
                folder.remove_publisher(&tenant, &name)?,
                "tenant {} has no publisher {}",
                tenant.as_str(),
                name.as_str()
            );
            folder.render()?;
            eprintln!("{}", next_step(&folder));
        }
    }
    Ok(())
}

fn names(who: &PublisherArguments) -> anyhow::Result<(PublisherName, PublisherName)> {
    let read = |what: &str, text: &str| {
        PublisherName::new(text)
            .with_context(|| format!("the {what} is not 1 to 40 characters of a-z, 0-9 and -"))
    };
    Ok((read("tenant", &who.tenant)?, read("name", &who.name)?))
}

/// Once: nothing of ours keeps it.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn hand_over(seed: &str, file: Option<&Path>) -> anyhow::Result<()> {
    match file {
        Some(file) => write_secret(file, &format!("{seed}\n")),
        None => {
            println!("{seed}");
            Ok(())
        }
    }
}

fn next_step(folder: &UsersFolder) -> String {
    format!(
        "{} is written; the server reads it when it is told to: nats-server --signal reload",
        folder.server_file().display()
    )
}
