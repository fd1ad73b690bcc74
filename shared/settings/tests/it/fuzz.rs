//! Any file and any variables: settings, or an error in words.

use storelink_fuzz::Target;
use storelink_settings::{Loader, Settings};

use crate::file;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// Settings can be shown, and what is shown is settings.
fn shown(settings: &Settings) {
    let text = settings.effective_toml();
    assert!(text.contains("[nats]"), "{text}");
}

#[test]
fn fuzz_settings_file() {
    Target::new("fuzz_settings_file", CORPUS)
        .seed(include_str!("../../src/defaults.toml"))
        .seed("data_dir = \"/srv\"\n[http]\nlisten = \"0.0.0.0:80\"\n[outbound]\nports = \"any\"\n")
        .seed("[database]\nurl = \"postgres://u:p@h/n\"\nmigrate_at_start = \"false\"\n")
        .longest(8_000)
        .short(400)
        .run(|input| {
            let Ok(text) = std::str::from_utf8(input) else {
                return false;
            };
            let (_folder, path) = file(text);
            match Loader::new().file(&path).load() {
                Ok(settings) => {
                    shown(&settings);
                    true
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    false
                }
            }
        });
}

#[test]
fn fuzz_settings_environment() {
    let seeds = [
        "STORELINK_HTTP__LISTEN=127.0.0.1:1",
        "STORELINK_NATS__URL=nats://a:b@c:4222,nats://d",
        "STORELINK_OUTBOUND__ALLOW_SUBNETS=[\"10.0.0.0/8\"]",
        "STORELINK_LANES__LEASE_SECONDS=15",
        "STORELINK_DATABASE__URL=sqlite:data",
        "STORELINK_OUTBOUND__PORTS=[80]",
        "STORELINK_TELEMETRY__TRACE_SAMPLE_PERCENT=100",
        "STORELINK_VAULT={keys_dir=\"/k\"}",
    ];
    Target::new("fuzz_settings_environment", CORPUS)
        .seeds(seeds)
        .longest(2_000)
        .short(400)
        .run(|input| {
            let text = String::from_utf8_lossy(input);
            let Some((name, value)) = text.split_once('=') else {
                return false;
            };
            match Loader::new().variables([(name, value)]).load() {
                Ok(settings) => {
                    shown(&settings);
                    true
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    false
                }
            }
        });
}
