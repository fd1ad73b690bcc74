//! `storelink broker users …`, and the folder that holds the keys of the broker's users.

mod files;
mod folder;

use storelink_bus::users::{self, BrokerUser};

use crate::adapters;
use crate::cli::{BrokerAction, UsersAction};

pub(crate) use files::write_secret;
pub(crate) use folder::UsersFolder;

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) fn run(action: &BrokerAction) -> anyhow::Result<()> {
    let BrokerAction::Users(action) = action;
    match action {
        UsersAction::Print => print!("{}", users::to_markdown()),
        UsersAction::Write { dir } => {
            let folder = UsersFolder::open(dir)?;
            let mut wanted = roles();
            wanted.push(users::administrator());
            let made = folder.make_keys(&wanted)?;
            folder.render()?;
            for name in made {
                println!("{name}: new key in {}", folder.seed_file(&name).display());
            }
            println!("{} has every user", folder.server_file().display());
        }
    }
    Ok(())
}

/// The users of the roles that this program has.
fn roles() -> Vec<BrokerUser> {
    with_platforms(users::roles)
}

/// The user of `storelink dev`.
pub(crate) fn dev() -> BrokerUser {
    with_platforms(users::dev)
}

fn with_platforms<T>(make: impl FnOnce(&[&str]) -> T) -> T {
    let platforms = adapters::names();
    let platforms: Vec<&str> = platforms.iter().map(String::as_str).collect();
    make(&platforms)
}
