//! `STORELINK_…` variables as a source of settings.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use crate::SettingsError;
use crate::known_keys;

const PREFIX: &str = "STORELINK_";

/// One variable that sets one key; its own provider, so that errors name the variable.
#[derive(Debug, Clone)]
pub(crate) struct EnvironmentVariable {
    name: String,
    path: Vec<String>,
    value: Value,
}

/// Picks the settings among a process's variables.
///
/// A name with `__` is always meant for us, so an unknown one is refused. One without is ignored
/// unless it is a known key: orchestrators inject names like `STORELINK_PORT` for a service called
/// "storelink". A known key written with one underscore is refused, since it would not be heard.
pub(crate) fn settings_in(
    variables: impl IntoIterator<Item = (String, String)>,
    known: &Dict,
) -> Result<Vec<EnvironmentVariable>, SettingsError> {
    let mut found = Vec::new();
    for (name, text) in variables {
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let key = key.to_lowercase();
        let path: Vec<&str> = key.split("__").collect();
        match known_keys::find(known, &path) {
            Some(Value::Dict(..)) | None if path.len() > 1 => {
                return Err(unknown(&name, &path.join("."), known));
            }
            Some(Value::Dict(..)) => {}
            None => refuse_single_underscore(&name, &key, known)?,
            Some(default) => found.push(EnvironmentVariable {
                path: path.iter().map(ToString::to_string).collect(),
                value: typed_like(default, text),
                name,
            }),
        }
    }
    Ok(found)
}

fn unknown(name: &str, key: &str, known: &Dict) -> SettingsError {
    SettingsError::UnknownKey {
        key: key.to_owned(),
        origin: origin(name),
        suggestion: known_keys::nearest(known, key).map(|near| variable_for(&near)),
    }
}

fn refuse_single_underscore(name: &str, key: &str, known: &Dict) -> Result<(), SettingsError> {
    let meant = key.split_once('_').filter(|(section, rest)| {
        matches!(known_keys::find(known, &[*section, *rest]), Some(value) if value.as_dict().is_none())
    });
    match meant {
        None => Ok(()),
        Some((section, rest)) => Err(SettingsError::UnknownKey {
            key: key.to_owned(),
            origin: origin(name),
            suggestion: Some(variable_for(&format!("{section}.{rest}"))),
        }),
    }
}

fn variable_for(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn origin(name: &str) -> String {
    format!("environment variable {name}")
}

/// Reads the text as what the default is, so that a password of digits stays a text.
fn typed_like(default: &Value, text: String) -> Value {
    match default {
        Value::String(..) => Value::from(text),
        Value::Array(..) if !text.trim_start().starts_with('[') => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect::<Vec<_>>()
            .into(),
        // Figment's own reading of TOML-like values cannot fail: what is none stays a text.
        _ => text.parse().unwrap_or_else(|_| Value::from(text)),
    }
}

impl Provider for EnvironmentVariable {
    fn metadata(&self) -> Metadata {
        Metadata::named(origin(&self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut value = self.value.clone();
        for key in self.path.iter().skip(1).rev() {
            value = Value::from(Dict::from([(key.clone(), value)]));
        }
        let first = self.path.first().cloned().unwrap_or_default();
        Ok(Map::from([(
            Profile::Default,
            Dict::from([(first, value)]),
        )]))
    }
}
