use secrecy::ExposeSecret as _;
use storelink_settings::{Loader, SettingsError};

use crate::file;

fn with_variable(name: &str, value: &str) -> SettingsError {
    Loader::new().variables([(name, value)]).load().unwrap_err()
}

#[test]
fn unknown_keys_of_a_file_are_named_with_the_nearest_known_one() {
    for (text, key, suggestion) in [
        ("[nats]\nurll = \"x\"\n", "nats.urll", Some("nats.url")),
        ("[ntas]\nurl = \"x\"\n", "ntas", None),
        ("datadir = \"x\"\n", "datadir", Some("data_dir")),
        (
            "[http]\nlisten = \"x\"\n[http.tls]\nkey = \"x\"\n",
            "http.tls",
            None,
        ),
    ] {
        let (_folder, path) = file(text);
        let error = Loader::new().file(&path).load().unwrap_err();
        let expected = SettingsError::UnknownKey {
            key: key.to_owned(),
            origin: path.display().to_string(),
            suggestion: suggestion.map(str::to_owned),
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn unknown_variables_are_named_with_the_nearest_known_one() {
    let error = with_variable("STORELINK_HTTP__LISTENS", "127.0.0.1:1");
    assert_eq!(
        error.to_string(),
        "unknown setting `http.listens` in environment variable STORELINK_HTTP__LISTENS; \
         did you mean `STORELINK_HTTP__LISTEN`?"
    );
    assert_eq!(error.code(), "settings.unknown_key");
    assert!(matches!(
        with_variable("STORELINK_SOMETHING__ELSE", "x"),
        SettingsError::UnknownKey {
            suggestion: None,
            ..
        }
    ));
    assert!(matches!(
        with_variable("STORELINK_NATS__URL__MORE", "x"),
        SettingsError::UnknownKey { .. }
    ));
}

#[test]
fn one_underscore_too_few_is_not_ignored() {
    let error = with_variable("STORELINK_DATABASE_URL", "postgres://db/storelink");
    assert!(
        error
            .to_string()
            .ends_with("did you mean `STORELINK_DATABASE__URL`?"),
        "{error}"
    );
}

#[test]
fn a_wrong_value_names_its_source() {
    for (name, value, key, problem) in [
        (
            "STORELINK_HTTP__LISTEN",
            "8080",
            "http.listen",
            "invalid socket address syntax",
        ),
        (
            "STORELINK_NATS__REPLICAS",
            "9",
            "nats.replicas",
            "found 9, expected 1 to 5",
        ),
        (
            "STORELINK_NATS__REPLICAS",
            "many",
            "nats.replicas",
            "found string \"many\"",
        ),
        (
            "STORELINK_LANES__LEASE_SECONDS",
            "0",
            "lanes.lease_seconds",
            "at least 1 second",
        ),
        (
            "STORELINK_LANES__LEASE_SECONDS",
            "1.5",
            "lanes.lease_seconds",
            "found float",
        ),
        (
            "STORELINK_DATABASE__URL",
            "mysql://x",
            "database.url",
            "expected `sqlite:<folder>`",
        ),
        (
            "STORELINK_DATABASE__SQLITE_SYNCHRONOUS",
            "off",
            "database.sqlite_synchronous",
            "full",
        ),
        (
            "STORELINK_NATS__URL",
            "127.0.0.1:4222",
            "nats.url",
            "expected `nats://host:port`",
        ),
        (
            "STORELINK_HTTP__PUBLIC_URL",
            "storelink.example",
            "http.public_url",
            "\"https://",
        ),
        (
            "STORELINK_OUTBOUND__ALLOW_SUBNETS",
            "10.0.0.0/33",
            "outbound.allow_subnets",
            "10.0.0.0/33",
        ),
        (
            "STORELINK_OUTBOUND__INSTANCE",
            "pod 1\r\nX-Evil: 1",
            "outbound.instance",
            "letters, digits",
        ),
        (
            "STORELINK_TELEMETRY__TRACE_SAMPLE_PERCENT",
            "101",
            "telemetry.trace_sample_percent",
            "0 to 100",
        ),
    ] {
        match with_variable(name, value) {
            SettingsError::InvalidValue {
                key: found,
                origin,
                problem: text,
            } => {
                assert_eq!(found, key);
                assert_eq!(origin, format!("environment variable {name}"));
                assert!(text.contains(problem), "{name}={value}: {text}");
            }
            other => panic!("{name}={value}: {other}"),
        }
    }
    let (_folder, path) = file("[ops]\nlisten = 9090\n");
    let error = Loader::new().file(&path).load().unwrap_err();
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
    assert!(error.to_string().contains("`ops.listen`"), "{error}");
}

#[test]
fn errors_do_not_quote_secrets() {
    for text in [
        "[nats]\npassword = 48151623\n",
        "[nats]\npassword = [\"48151623\"]\n",
        "[nats]\nurl = \"48151623\"\n",
        "[database]\nurl = \"mysql://app:48151623@db\"\n",
        "[nats]\npassword = \"48151623\nuser = \"x\"\n",
    ] {
        let (_folder, path) = file(text);
        let error = Loader::new().file(&path).load().unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("48151623"),
            "{error:?}"
        );
    }
}

#[test]
fn a_named_file_must_exist_and_be_toml() {
    let (folder, path) = file("[nats\n");
    let error = Loader::new().file(&path).load().unwrap_err();
    assert_eq!(error.code(), "settings.syntax");
    assert!(error.to_string().contains("line 1"), "{error}");
    let missing = folder.path().join("missing.toml");
    let error = Loader::new().file(&missing).load().unwrap_err();
    assert_eq!(error.code(), "settings.file_unreadable");
    assert!(error.to_string().contains("missing.toml"), "{error}");
}

#[test]
fn two_ways_to_sign_in_exclude_each_other() {
    let error = Loader::new()
        .variables([
            ("STORELINK_NATS__USER", "storelink"),
            (
                "STORELINK_NATS__CREDENTIALS_FILE",
                "/run/secrets/nats.creds",
            ),
        ])
        .load()
        .unwrap_err();
    assert_eq!(error.code(), "settings.conflict");
}

#[test]
fn a_password_stands_in_the_address_or_in_a_file_but_not_in_both() {
    let with_url = |url: &str| {
        Loader::new()
            .variables([
                ("STORELINK_DATABASE__URL", url),
                ("STORELINK_DATABASE__PASSWORD_FILE", "/run/secrets/password"),
            ])
            .load()
    };
    assert!(with_url("postgres://app@db/storelink").is_ok());
    let error = with_url("postgres://app:s3cret@db/storelink").unwrap_err();
    assert_eq!(error.code(), "settings.conflict");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn the_password_is_the_files_text_without_its_line_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    let settings = Loader::new()
        .variables([("STORELINK_DATABASE__PASSWORD_FILE", path.to_str().unwrap())])
        .load()
        .unwrap();
    let password = || settings.database.password();
    let missing = password().unwrap_err();
    assert_eq!(missing.code(), "settings.secret_file");
    assert!(
        missing.to_string().contains("database.password_file"),
        "{missing}"
    );
    for (text, expected) in [
        ("s3 cret\n", "s3 cret"),
        ("s3cret\r\n", "s3cret"),
        (" a ", " a "),
    ] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(password().unwrap().unwrap().expose_secret(), expected);
    }
    std::fs::write(&path, "\n").unwrap();
    assert_eq!(password().unwrap_err().code(), "settings.secret_file");
}
