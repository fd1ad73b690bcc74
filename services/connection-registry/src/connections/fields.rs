//! What is entered for the fields of a platform's descriptor, checked against it.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;
use storelink_adapter_api::{Descriptor, Field, FieldKind};

use crate::problem::FieldError;

const LONGEST_CREDENTIAL: usize = 4_096;
const LONGEST_TEXT: usize = 1_000;

/// Credentials as entered: a value to set, or null to take away.
pub(crate) type EnteredCredentials = BTreeMap<String, Option<String>>;

/// Trims each credential and checks it against its field: known to the descriptor, no inner
/// blanks, of the field's form.
pub(crate) fn check_credentials(
    descriptor: &Descriptor,
    entered: &mut EnteredCredentials,
    errors: &mut Vec<FieldError>,
) {
    for (name, value) in entered.iter_mut() {
        let pointer = format!("/credentials/{}", escape(name));
        let Some(field) = credential_fields(descriptor).find(|field| field.name == *name) else {
            errors.push(FieldError::new(
                pointer,
                "credential.unknown",
                unknown(descriptor),
            ));
            continue;
        };
        let Some(text) = value else { continue };
        *text = text.trim().to_owned();
        if let Some((code, mut detail)) = wrong_credential(field, text) {
            let other = credential_fields(descriptor)
                .filter(|other| other.name != *name && other.pattern.is_some())
                .find(|other| code == "credential.form" && fits(other, text));
            if let Some(other) = other {
                detail = format!(
                    "{detail}; it looks like a {}: are they swapped?",
                    other.label
                );
            }
            errors.push(FieldError::new(pointer, code, detail));
        }
    }
}

/// Checks the settings that only the platform's adapter understands against the descriptor.
pub(crate) fn check_options(
    descriptor: &Descriptor,
    options: &BTreeMap<String, Value>,
    errors: &mut Vec<FieldError>,
) {
    for (name, value) in options {
        let pointer = format!("/settings/options/{}", escape(name));
        match option_fields(descriptor).find(|field| field.name == *name) {
            None => {
                let detail = "this platform has no such field";
                errors.push(FieldError::new(pointer, "option.unknown", detail));
            }
            Some(field) => {
                if let Some((code, detail)) = wrong_option(field, value) {
                    errors.push(FieldError::new(pointer, code, detail));
                }
            }
        }
    }
}

/// Which fields verification needs and does not have.
pub(crate) fn missing<'a>(
    descriptor: &'a Descriptor,
    has_address: bool,
    has_credential: impl Fn(&str) -> bool + 'a,
) -> Vec<FieldError> {
    let pointer = |field: &Field| match field.kind {
        FieldKind::Address => (!has_address).then(|| "/address".to_owned()),
        FieldKind::Secret | FieldKind::Key => {
            (!has_credential(&field.name)).then(|| format!("/credentials/{}", escape(&field.name)))
        }
        FieldKind::Text | FieldKind::Boolean | FieldKind::Number => None,
    };
    descriptor
        .fields
        .iter()
        .filter(|field| field.required)
        .filter_map(|field| Some((pointer(field)?, field)))
        .map(|(pointer, field)| {
            let detail = format!("{} is missing", field.label);
            FieldError::new(pointer, "field.missing", detail)
        })
        .collect()
}

/// Whether a store address belongs to this platform at all.
pub(crate) fn has_address(descriptor: &Descriptor) -> bool {
    descriptor
        .fields
        .iter()
        .any(|field| field.kind == FieldKind::Address)
}

fn credential_fields(descriptor: &Descriptor) -> impl Iterator<Item = &Field> {
    descriptor
        .fields
        .iter()
        .filter(|field| matches!(field.kind, FieldKind::Secret | FieldKind::Key))
}

fn option_fields(descriptor: &Descriptor) -> impl Iterator<Item = &Field> {
    descriptor.fields.iter().filter(|field| {
        matches!(
            field.kind,
            FieldKind::Text | FieldKind::Boolean | FieldKind::Number
        )
    })
}

fn unknown(descriptor: &Descriptor) -> String {
    let names: Vec<&str> = credential_fields(descriptor)
        .map(|field| field.name.as_str())
        .collect();
    format!(
        "{} has the credentials {}",
        descriptor.title,
        names.join(", ")
    )
}

fn wrong_credential(field: &Field, text: &str) -> Option<(&'static str, String)> {
    if text.is_empty() {
        return Some((
            "credential.empty",
            "it is empty; leave it out or send null".to_owned(),
        ));
    }
    if text.len() > LONGEST_CREDENTIAL {
        return Some((
            "credential.too_long",
            "it is longer than 4,096 bytes".to_owned(),
        ));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some((
            "credential.blank",
            "it holds a blank or line break inside".to_owned(),
        ));
    }
    (!fits(field, text)).then(|| {
        let example = field.example.as_deref();
        let example = example
            .map(|example| format!(", for example {example}"))
            .unwrap_or_default();
        (
            "credential.form",
            format!("it has not the form of a {}{example}", field.label),
        )
    })
}

fn wrong_option(field: &Field, value: &Value) -> Option<(&'static str, String)> {
    match (field.kind, value) {
        // Taking away what is not there.
        (_, Value::Null) => None,
        (FieldKind::Boolean, Value::Bool(_)) => None,
        (FieldKind::Boolean, _) => Some(("option.type", "it must be true or false".to_owned())),
        (FieldKind::Number, Value::Number(number)) if number.as_i64().is_some() => None,
        (FieldKind::Number, _) => Some(("option.type", "it must be a whole number".to_owned())),
        (_, Value::String(text)) if text.len() <= LONGEST_TEXT && fits(field, text) => None,
        (_, Value::String(_)) => Some((
            "option.form",
            format!("it has not the form of a {}", field.label),
        )),
        _ => Some(("option.type", "it must be a text".to_owned())),
    }
}

/// Whether the whole value matches the field's form; a pattern that is none itself refuses nothing.
fn fits(field: &Field, text: &str) -> bool {
    let Some(pattern) = &field.pattern else {
        return true;
    };
    Regex::new(&format!("^(?:{pattern})$")).map_or(true, |form| form.is_match(text))
}

/// A member's name as part of a JSON pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
