use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use secrecy::ExposeSecret;
use storelink_vault::{CreateMissing, Vault, VaultError};

use crate::vault;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

fn write_key(folder: &Path, name: &str, text: &str, mode: u32) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_missing_key_is_made_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Vault::open(folder.path(), CreateMissing::No).unwrap_err();
    assert_eq!(
        refused,
        VaultError::NoKey {
            path: folder.path().to_owned()
        }
    );
    let missing = Vault::open(&folder.path().join("nowhere"), CreateMissing::No).unwrap_err();
    assert_eq!(missing.code(), "vault.file");
    let made = Vault::open(folder.path(), CreateMissing::Yes).unwrap();
    let again = Vault::open(folder.path(), CreateMissing::Yes).unwrap();
    assert_eq!(again.active_key(), made.active_key());
}

#[test]
fn a_generated_key_is_private() {
    let (folder, vault) = vault();
    let keys = folder.path().join("keys");
    let file = keys.join(format!("{}.key", vault.active_key()));
    assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(keys).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn processes_that_start_together_share_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let opened: Vec<Vault> = std::thread::scope(|scope| {
        let open = || Vault::open(folder.path(), CreateMissing::Yes).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let sealed = opened[0].seal(b"x", "con_1").unwrap();
    for other in &opened {
        assert_eq!(other.active_key(), opened[0].active_key());
        other.unseal(&sealed, "con_1").unwrap();
    }
}

#[test]
fn a_key_that_everybody_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, accepted) in [
        (0o600, true),
        (0o400, true),
        (0o440, true),
        (0o644, false),
        (0o602, false),
    ] {
        write_key(folder.path(), "k1.key", KEY, mode);
        let opened = Vault::open(folder.path(), CreateMissing::No);
        assert_eq!(opened.is_ok(), accepted, "{mode:o}");
        if let Err(error) = opened {
            assert_eq!(error.code(), "vault.key_exposed");
        }
        fs::remove_file(folder.path().join("k1.key")).unwrap();
    }
}

#[test]
fn malformed_key_files_are_named() {
    for (name, text, code) in [
        ("k1.key", "", "vault.malformed_key"),
        ("k1.key", "AAEC", "vault.malformed_key"),
        ("k1.key", "not base64 at all", "vault.malformed_key"),
        ("K 1.key", KEY, "vault.key_name"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write_key(folder.path(), name, text, 0o600);
        let error = Vault::open(folder.path(), CreateMissing::No).unwrap_err();
        assert_eq!(error.code(), code, "{name} {text:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn two_keys_live_until_everything_is_sealed_again() {
    let (folder, vault) = vault();
    let old_key = vault.active_key();
    let old = vault.seal(b"secret", "con_1").unwrap();
    let new_key = vault.add_key().unwrap();
    assert_ne!(new_key, old_key);
    assert_eq!(vault.active_key(), new_key);
    assert!(vault.needs_rewrap(&old));
    let new = vault.rewrap(&old, "con_1").unwrap();
    assert!(!vault.needs_rewrap(&new));
    assert_eq!(new.key_id(), new_key);
    assert!(
        vault.rewrap(&old, "con_2").is_err(),
        "a swapped row is not sealed again"
    );
    for sealed in [&old, &new] {
        assert_eq!(
            vault.unseal(sealed, "con_1").unwrap().expose_secret(),
            b"secret"
        );
    }
    fs::remove_file(folder.path().join("keys").join(format!("{old_key}.key"))).unwrap();
    vault.reload().unwrap();
    assert_eq!(
        vault.unseal(&old, "con_1").unwrap_err(),
        VaultError::UnknownKey { key: old_key }
    );
    assert_eq!(
        vault.unseal(&new, "con_1").unwrap().expose_secret(),
        b"secret"
    );
}

#[test]
fn a_key_that_another_process_added_is_found() {
    let (folder, one) = vault();
    let other = Vault::open(&folder.path().join("keys"), CreateMissing::No).unwrap();
    one.add_key().unwrap();
    let sealed = one.seal(b"secret", "con_1").unwrap();
    assert_eq!(
        other.unseal(&sealed, "con_1").unwrap().expose_secret(),
        b"secret"
    );
}

#[test]
fn the_file_active_chooses_the_key() {
    let folder = tempfile::tempdir().unwrap();
    write_key(folder.path(), "2025.key", KEY, 0o600);
    write_key(
        folder.path(),
        "2026.key",
        &KEY.replace("AAEC", "BAEC"),
        0o600,
    );
    let newest = Vault::open(folder.path(), CreateMissing::No).unwrap();
    assert_eq!(newest.active_key(), "2026");
    fs::write(folder.path().join("active"), "2025\n").unwrap();
    let chosen = Vault::open(folder.path(), CreateMissing::No).unwrap();
    assert_eq!(chosen.active_key(), "2025");
    let sealed = newest.seal(b"x", "con_1").unwrap();
    assert!(chosen.needs_rewrap(&sealed));
    fs::write(folder.path().join("active"), "2024").unwrap();
    let error = Vault::open(folder.path(), CreateMissing::No).unwrap_err();
    assert_eq!(
        error,
        VaultError::ActiveKeyMissing {
            key: "2024".to_owned()
        }
    );
}

/// Same id, other content: as after a wrong restore.
#[test]
fn a_key_with_another_content_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    write_key(folder.path(), "k1.key", KEY, 0o600);
    let vault = Vault::open(folder.path(), CreateMissing::No).unwrap();
    let sealed = vault.seal(b"secret", "con_1").unwrap();
    write_key(folder.path(), "k1.key", &KEY.replace("AAEC", "BAEC"), 0o600);
    vault.reload().unwrap();
    assert_eq!(
        vault.unseal(&sealed, "con_1").unwrap_err().code(),
        "vault.does_not_open"
    );
}
