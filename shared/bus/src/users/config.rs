//! The users as a file that the configuration of a server includes.

use std::fmt::Write as _;

use super::{BrokerUser, inbox_prefix};

/// The account in which the roles and all streams are.
pub const ACCOUNT: &str = "STORELINK";

/// What a publisher may say, below `erp.<tenant>.`.
const EVENTS: [&str; 3] = ["stock.changed", "price.changed", "product.changed"];
/// What it may hear, below `hub.<tenant>.`.
const REJECTED: &str = "event.rejected";

/// A user with the public half of its key.
#[derive(Clone, Debug)]
pub struct KeyedUser {
    /// What it may do.
    pub user: BrokerUser,
    /// The public half of its key.
    pub public_key: String,
}

/// A name within a tenant: 1 to 40 characters of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublisherName(String);

impl PublisherName {
    /// Takes a name that is one; none otherwise.
    pub fn new(text: &str) -> Option<Self> {
        let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=40).contains(&text.len()) && text.bytes().all(usable);
        valid.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The account in which publishers are.
///
/// Another one than that of the roles: there a publisher could name one of their subjects as the place
/// for its acknowledgement, which the server sends whatever the publisher may do, and a stream would keep
/// it as somebody's last level. One for all of them, because a server that reads its configuration anew
/// does not connect an account that it did not know with what it imports.
const PUBLISHERS: &str = "PUBLISHERS";

/// A system outside that publishes the events of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Publisher {
    /// The tenant, in the form of an identifier.
    pub tenant: PublisherName,
    /// Its name within the tenant.
    pub name: PublisherName,
    /// The public half of its key.
    pub public_key: String,
}

impl Publisher {
    /// First part of the subjects on which it gets its acknowledgements; no other publisher may hear them.
    pub fn inbox_prefix(&self) -> String {
        // No name holds an underscore, so no two prefixes meet.
        inbox_prefix(&format!("{}_{}", self.tenant.as_str(), self.name.as_str()))
    }
}

/// The file. Users come in the order given.
pub fn server_config(users: &[KeyedUser], publishers: &[Publisher]) -> String {
    let mut text = format!(
        "# Made by `storelink broker users write` and `storelink publishers`: changes are written over.\n\
         # Holds public keys alone. `nats-server --signal reload` reads it anew.\n\
         accounts {{\n  {ACCOUNT} {{\n    jetstream: enabled\n    users: [\n"
    );
    let all: Vec<BrokerUser> = users.iter().map(|keyed| keyed.user.clone()).collect();
    for keyed in users {
        write_user(&mut text, keyed, &all);
    }
    text.push_str("    ]\n    exports: [\n");
    for event in EVENTS {
        line(&mut text, 6, &format!("{{ service: \"erp.*.{event}\" }}"));
    }
    line(&mut text, 6, &format!("{{ stream: \"hub.*.{REJECTED}\" }}"));
    text.push_str("    ]\n  }\n");
    write_publishers(&mut text, publishers);
    text.push_str("}\n");
    text
}

fn write_user(text: &mut String, keyed: &KeyedUser, all: &[BrokerUser]) {
    let (user, key) = (&keyed.user, &keyed.public_key);
    line(text, 6, &format!("# {}", user.name()));
    if user.is_unlimited() {
        return line(text, 6, &format!("{{ nkey: {key} }}"));
    }
    let mut publish: Vec<String> = user.publishes().map(str::to_owned).collect();
    publish.extend(user.answers(all));
    line(text, 6, &format!("{{ nkey: {key}, permissions: {{"));
    write_list(text, 10, "publish", &publish);
    let subscribe: Vec<String> = user.subscribes().map(str::to_owned).collect();
    write_list(text, 10, "subscribe", &subscribe);
    line(text, 6, "} }");
}

fn write_publishers(text: &mut String, publishers: &[Publisher]) {
    line(text, 2, &format!("{PUBLISHERS} {{"));
    line(text, 4, "users: [");
    for publisher in publishers {
        write_publisher(text, publisher);
    }
    line(text, 4, "]");
    line(text, 4, "imports: [");
    let from = |kind: &str, subject: &str| {
        format!("{{ {kind}: {{ account: {ACCOUNT}, subject: \"{subject}\" }} }}")
    };
    for event in EVENTS {
        line(text, 6, &from("service", &format!("erp.*.{event}")));
    }
    line(text, 6, &from("stream", &format!("hub.*.{REJECTED}")));
    line(text, 4, "]");
    line(text, 2, "}");
}

fn write_publisher(text: &mut String, publisher: &Publisher) {
    let (tenant, name) = (publisher.tenant.as_str(), publisher.name.as_str());
    let says = EVENTS.map(|event| format!("erp.{tenant}.{event}"));
    let hears = [
        format!("{}.>", publisher.inbox_prefix()),
        format!("hub.{tenant}.{REJECTED}"),
    ];
    let key = &publisher.public_key;
    line(text, 6, &format!("# {name} of {tenant}"));
    line(text, 6, &format!("{{ nkey: {key}, permissions: {{"));
    write_list(text, 10, "publish", &says);
    write_list(text, 10, "subscribe", &hears);
    line(text, 6, "} }");
}

fn write_list(text: &mut String, indent: usize, name: &str, subjects: &[String]) {
    line(text, indent, &format!("{name}: ["));
    for subject in subjects {
        line(text, indent + 2, &format!("\"{subject}\""));
    }
    line(text, indent, "]");
}

fn line(text: &mut String, indent: usize, content: &str) {
    // Writing to a text cannot fail.
    writeln!(text, "{:indent$}{content}", "").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_out_of_the_file_are_none() {
        for wrong in ["", "a_b", "A", "a.b", "a b", "a\"", "*", &"a".repeat(41)] {
            assert_eq!(PublisherName::new(wrong), None, "{wrong}");
        }
        assert!(PublisherName::new("erp-2").is_some());
    }
}
