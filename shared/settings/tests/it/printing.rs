use storelink_settings::{DEFAULTS, Loader};

use crate::file;

#[test]
fn secrets_are_masked_wherever_settings_are_printed() {
    let settings = Loader::new()
        .variables([
            ("STORELINK_NATS__USER", "storelink"),
            ("STORELINK_NATS__PASSWORD", "s3cret"),
            ("STORELINK_NATS__URL", "nats://t0p-s3cret@broker:4222"),
            (
                "STORELINK_DATABASE__URL",
                "postgres://app:s3cret@db/storelink",
            ),
        ])
        .load()
        .unwrap();
    let printed = settings.effective_toml();
    assert!(printed.contains("password = \"***\"\n"), "{printed}");
    assert!(
        printed.contains("url = \"nats://***@broker:4222\"\n"),
        "{printed}"
    );
    assert!(
        printed.contains("url = \"postgres://app:***@db/storelink\"\n"),
        "{printed}"
    );
    assert!(!format!("{printed}{settings:?}").contains("s3cret"));
}

#[test]
fn what_is_printed_is_a_configuration_file_with_the_same_effect() {
    let settings = Loader::new()
        .variables([
            ("STORELINK_DATA_DIR", "/srv/store \"link\""),
            (
                "STORELINK_OUTBOUND__ALLOW_SUBNETS",
                "10.0.0.0/8,192.168.0.0/16",
            ),
            ("STORELINK_LANES__LEASE_SECONDS", "30"),
        ])
        .load()
        .unwrap();
    let printed = settings.effective_toml();
    assert!(printed.contains("lease_seconds = 30\n"), "{printed}");
    let (_folder, path) = file(&printed);
    let again = Loader::new().file(&path).load().unwrap();
    assert_eq!(again.effective_toml(), printed);
    assert_eq!(again.data_dir, settings.data_dir);
}

/// A key that the typed settings rename or lack would be printed as nothing.
#[test]
fn every_default_is_printed_with_its_comment() {
    let printed = Loader::new().load().unwrap().effective_toml();
    let derived = ["url = \"\"", "keys_dir = \"\""];
    for line in DEFAULTS.lines().filter(|line| !derived.contains(line)) {
        assert!(printed.lines().any(|printed| printed == line), "{line}");
    }
    assert!(!printed.contains("= null"), "{printed}");
    assert!(printed.contains("url = \"sqlite:./data\"\n"), "{printed}");
    assert!(
        printed.contains("keys_dir = \"./data/keys\"\n"),
        "{printed}"
    );
}
