//! The table for people.

use std::fmt::Write as _;

use super::{administrator, roles};

/// Every user with what it may publish and hear, as Markdown; a poller stands for those of all
/// platforms. Answers to those who ask are left out.
pub fn to_markdown() -> String {
    let mut text = String::new();
    for user in [vec![administrator()], roles(&["<platform>"])].concat() {
        // Writing to a text cannot fail.
        writeln!(text, "## {}\n\n{}.\n", user.name(), user.purpose()).ok();
        if user.is_unlimited() {
            writeln!(text, "Everything within the account.\n").ok();
            continue;
        }
        let rows = |subjects: Vec<&str>| -> String {
            let quoted = subjects.iter().map(|subject| format!("- `{subject}`\n"));
            quoted.collect()
        };
        let says = rows(user.publishes().collect());
        let hears = rows(user.subscribes().collect());
        writeln!(text, "Publishes:\n\n{says}\nSubscribes:\n\n{hears}").ok();
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
