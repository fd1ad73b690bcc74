//! Keys of connections: sealed, shown only by their ends, compared only by a keyed hash.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use storelink_adapter_api::Credentials;
use storelink_model::{ConnectionId, Platform};
use storelink_vault::{Sealed, Vault};

use super::fields::EnteredCredentials;
use crate::installation::SigningKey;
use crate::problem::{Answer, Problem};

/// Field names with what may be shown of their values.
pub(crate) type Hints = BTreeMap<String, String>;

/// A value shorter than this is not shown at all: its end would be too much of it.
const SHOWN_FROM: usize = 16;

/// Sealed credentials with what may be shown of them.
#[derive(Debug, Clone)]
pub(crate) struct SealedCredentials {
    pub(crate) sealed: String,
    pub(crate) hints: Hints,
}

/// Opens the credentials of a connection.
pub(crate) fn open(vault: &Vault, id: &ConnectionId, sealed: &str) -> Answer<Credentials> {
    let sealed: Sealed = sealed.parse().map_err(Problem::from)?;
    let plain = vault.unseal(&sealed, id.as_str())?;
    Credentials::from_sealable(plain.expose_secret()).map_err(Problem::internal)
}

/// Seals credentials for a connection.
pub(crate) fn seal(
    vault: &Vault,
    id: &ConnectionId,
    credentials: &Credentials,
) -> Answer<SealedCredentials> {
    let plain = credentials.to_sealable();
    let sealed = vault.seal(plain.expose_secret().as_bytes(), id.as_str())?;
    Ok(SealedCredentials {
        sealed: sealed.to_string(),
        hints: hints(credentials),
    })
}

/// `current` with what was entered; null takes a field away.
pub(crate) fn merged(current: &Credentials, entered: EnteredCredentials) -> Credentials {
    let mut merged = Credentials::default();
    for name in current.names() {
        if let Some(value) = current.get(name)
            && !entered.contains_key(name)
        {
            merged.set(name, value.clone());
        }
    }
    for (name, value) in entered {
        if let Some(value) = value {
            merged.set(name, SecretString::from(value));
        }
    }
    merged
}

/// Whether both hold the same values.
pub(crate) fn equal(one: &Credentials, other: &Credentials) -> bool {
    one.to_sealable().expose_secret() == other.to_sealable().expose_secret()
}

/// A keyed hash over what a verification proves; equal only for equal values.
pub(crate) fn fingerprint(
    key: &SigningKey,
    platform: &Platform,
    address: &str,
    credentials: &Credentials,
) -> String {
    let plain = credentials.to_sealable();
    let text = format!("{platform}\n{address}\n{}", plain.expose_secret());
    key.sign("values of a verification", text.as_bytes())
}

fn hints(credentials: &Credentials) -> Hints {
    let hint = |value: &SecretString| {
        let characters: Vec<char> = value.expose_secret().chars().collect();
        let shown = if characters.len() < SHOWN_FROM { 0 } else { 4 };
        let end: String = characters.iter().skip(characters.len() - shown).collect();
        format!("…{end}")
    };
    credentials
        .names()
        .filter_map(|name| Some((name.to_owned(), hint(credentials.get(name)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(pairs: &[(&str, &str)]) -> Credentials {
        let mut credentials = Credentials::default();
        for (name, value) in pairs {
            credentials.set(*name, SecretString::from((*value).to_owned()));
        }
        credentials
    }

    #[test]
    fn only_the_end_of_long_values_is_shown() {
        let shown = hints(&credentials(&[
            ("key", "ck_0123456789abcdef"),
            ("pin", "123456789012345"),
        ]));
        assert_eq!(shown["key"], "…cdef");
        assert_eq!(shown["pin"], "…");
    }

    #[test]
    fn entered_values_replace_and_null_removes() {
        let current = credentials(&[("a", "1"), ("b", "2")]);
        let entered = BTreeMap::from([
            ("a".to_owned(), None),
            ("c".to_owned(), Some("3".to_owned())),
        ]);
        let merged = merged(&current, entered);
        assert_eq!(merged.names().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn the_fingerprint_changes_with_each_part() {
        let key = SigningKey::for_test(1);
        let platform: Platform = "woocommerce".parse().unwrap();
        let one = credentials(&[("a", "1")]);
        let base = fingerprint(&key, &platform, "https://a.example", &one);
        assert_eq!(
            base,
            fingerprint(&key, &platform, "https://a.example", &one)
        );
        assert_ne!(
            base,
            fingerprint(&key, &platform, "https://b.example", &one)
        );
        let two = credentials(&[("a", "2")]);
        assert_ne!(
            base,
            fingerprint(&key, &platform, "https://a.example", &two)
        );
        let other: Platform = "prestashop".parse().unwrap();
        assert_ne!(base, fingerprint(&key, &other, "https://a.example", &one));
    }
}
