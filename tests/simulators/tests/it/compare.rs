//! Compares two JSON bodies member by member.

use serde_json::Value;

/// Differences as lines of text; `aside` holds patterns of members that are not compared.
pub(crate) fn differences(expected: &Value, found: &Value, aside: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    walk("", expected, found, aside, &mut lines);
    lines
}

fn walk(path: &str, expected: &Value, found: &Value, aside: &[&str], lines: &mut Vec<String>) {
    if aside.iter().any(|pattern| matches(path, pattern)) {
        return;
    }
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            for (name, value) in left {
                let below = join(path, name);
                match right.get(name) {
                    Some(other) => walk(&below, value, other, aside, lines),
                    None if is_aside(&below, aside) => {}
                    None => lines.push(format!("{below}: missing")),
                }
            }
            for name in right.keys().filter(|name| !left.contains_key(*name)) {
                if !is_aside(&join(path, name), aside) {
                    lines.push(format!("{}: not in the recording", join(path, name)));
                }
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                lines.push(format!(
                    "{path}: {} entries recorded, {} found",
                    left.len(),
                    right.len()
                ));
            }
            for (index, (value, other)) in left.iter().zip(right).enumerate() {
                walk(&join(path, &index.to_string()), value, other, aside, lines);
            }
        }
        _ if expected == found => {}
        _ => lines.push(format!("{path}: recorded {expected}, found {found}")),
    }
}

fn is_aside(path: &str, aside: &[&str]) -> bool {
    aside.iter().any(|pattern| matches(path, pattern))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// `*` stands for one part, `**` at the start for any number of them.
fn matches(path: &str, pattern: &str) -> bool {
    let path: Vec<&str> = path.split('.').collect();
    if let Some(tail) = pattern.strip_prefix("**.") {
        let tail: Vec<&str> = tail.split('.').collect();
        return path.len() >= tail.len() && fits(&path[path.len() - tail.len()..], &tail);
    }
    let pattern: Vec<&str> = pattern.split('.').collect();
    path.len() == pattern.len() && fits(&path, &pattern)
}

fn fits(path: &[&str], pattern: &[&str]) -> bool {
    path.iter()
        .zip(pattern)
        .all(|(part, wanted)| *wanted == "*" || part == wanted)
}
