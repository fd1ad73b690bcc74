//! Who may do what on the broker: a user for each role, and one for each publisher.

mod config;
mod grants;
mod key;
mod markdown;
mod table;

pub use config::{ACCOUNT, KeyedUser, Publisher, PublisherName, server_config};
pub use grants::BrokerUser;
pub use key::{InvalidKey, UserKey};
pub use markdown::to_markdown;
pub use table::{ADMINISTRATOR, DEV, administrator, dev, roles};

/// First part of the subjects on which a user gets its answers; no other user may hear them.
pub fn inbox_prefix(user: &str) -> String {
    format!("_INBOX_{user}")
}
