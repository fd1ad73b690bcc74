//! The effective configuration as the commented defaults file with its values replaced.

use serde_json::Value;

use crate::Settings;
use crate::loader::DEFAULTS;

/// JSON texts, numbers and lists of them are written the same in TOML.
fn written(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(written).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

pub(crate) fn render(settings: &Settings) -> String {
    // Cannot fail: every value is a text, number, list or section.
    let effective = serde_json::to_value(settings).unwrap_or_default();
    let mut section = String::new();
    let mut rendered = String::new();
    for line in DEFAULTS.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.to_owned();
        }
        match line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            Some((key, _)) => {
                let value = if section.is_empty() {
                    effective.get(key)
                } else {
                    effective.get(&section).and_then(|values| values.get(key))
                };
                let value = written(value.unwrap_or(&Value::Null));
                rendered.push_str(&format!("{key} = {value}\n"));
            }
            None => {
                rendered.push_str(line);
                rendered.push('\n');
            }
        }
    }
    rendered
}
