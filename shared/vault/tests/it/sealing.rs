use std::str::FromStr;

use proptest::prelude::*;
use secrecy::ExposeSecret;
use storelink_vault::{Sealed, VaultError};

use crate::vault;

#[test]
fn a_value_opens_with_the_same_record_only() {
    let (_folder, vault) = vault();
    let sealed = vault.seal(b"consumer secret", "con_1").unwrap();
    assert_eq!(
        vault.unseal(&sealed, "con_1").unwrap().expose_secret(),
        b"consumer secret"
    );
    let swapped = vault.unseal(&sealed, "con_2").unwrap_err();
    assert_eq!(swapped.code(), "vault.does_not_open");
    assert!(
        swapped.to_string().contains(&vault.active_key()),
        "{swapped}"
    );
}

#[test]
fn the_same_value_is_never_sealed_the_same_way() {
    let (_folder, vault) = vault();
    let (one, other) = (
        vault.seal(b"x", "con_1").unwrap(),
        vault.seal(b"x", "con_1").unwrap(),
    );
    assert_ne!(one.to_string(), other.to_string());
}

#[test]
fn the_text_form_names_version_and_key() {
    let (_folder, vault) = vault();
    let sealed = vault.seal(b"secret", "con_1").unwrap();
    let text = sealed.to_string();
    assert!(
        text.starts_with(&format!("v1.{}.", vault.active_key())),
        "{text}"
    );
    assert_eq!(Sealed::from_str(&text).unwrap(), sealed);
    let json = serde_json::to_string(&sealed).unwrap();
    assert_eq!(json, format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<Sealed>(&json).unwrap(), sealed);
}

#[test]
fn texts_that_are_no_sealed_value_are_refused() {
    let short = "AAAA";
    let long = "A".repeat(64);
    for text in [
        String::new(),
        "secret".to_owned(),
        format!("v2.k1.{long}"),
        format!("v1.K1.{long}"),
        format!("v1..{long}"),
        format!("v1.../../k1.{long}"),
        format!("v1.k1.{short}"),
        format!("v1.k1.{long}!"),
        format!("v1.k1.{}", "A".repeat(2 * 1024 * 1024)),
    ] {
        assert_eq!(Sealed::from_str(&text), Err(VaultError::MalformedValue));
        assert!(serde_json::from_str::<Sealed>(&format!("\"{text}\"")).is_err());
    }
}

#[test]
fn printing_shows_no_secret() {
    let (_folder, vault) = vault();
    let sealed = vault.seal(b"s3cret", "con_1").unwrap();
    let opened = vault.unseal(&sealed, "con_1").unwrap();
    let key = vault.active_key();
    assert_eq!(format!("{sealed:?}"), format!("Sealed(v1.{key}.…)"));
    let printed = format!("{vault:?} {opened:?}");
    assert!(
        !printed.contains("s3cret") && !printed.contains("[115, "),
        "{printed}"
    );
    let file = std::fs::read_dir(_folder.path().join("keys"))
        .unwrap()
        .find_map(|entry| {
            let path = entry.unwrap().path();
            path.extension()
                .is_some_and(|extension| extension == "key")
                .then_some(path)
        });
    let key_text = std::fs::read_to_string(file.unwrap()).unwrap();
    assert!(!printed.contains(key_text.trim()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_value_comes_back(plain in prop::collection::vec(any::<u8>(), 0..2_000), record in ".{0,40}") {
        let (_folder, vault) = vault();
        let text = vault.seal(&plain, &record).unwrap().to_string();
        let opened = vault.unseal(&text.parse().unwrap(), &record).unwrap();
        prop_assert_eq!(opened.expose_secret(), plain.as_slice());
    }

    #[test]
    fn one_changed_bit_is_noticed(position in 0_usize..48, bit in 0_u8..6) {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (_folder, vault) = vault();
        // 24 bytes of nonce, 8 of text, 16 of tag: 64 characters, none of them padded.
        let mut text = vault.seal(b"12345678", "con_1").unwrap().to_string().into_bytes();
        let start = text.len() - 64;
        let character = text.get_mut(start + position).unwrap();
        let value = ALPHABET.iter().position(|known| known == character).unwrap();
        *character = *ALPHABET.get(value ^ (1 << bit)).unwrap();
        let changed = String::from_utf8(text).unwrap().parse().unwrap();
        let error = vault.unseal(&changed, "con_1").unwrap_err();
        prop_assert_eq!(error.code(), "vault.does_not_open");
    }
}
