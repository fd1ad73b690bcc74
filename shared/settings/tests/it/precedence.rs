use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use storelink_settings::{Loader, OutboundPorts, SqliteSynchronous};

use crate::file;

#[test]
fn defaults_need_no_file_and_no_environment() {
    let settings = Loader::new().load().unwrap();
    assert_eq!(settings.nats.url.expose(), "nats://127.0.0.1:4222");
    assert_eq!(settings.nats.credentials_file, None);
    assert_eq!(settings.nats.replicas, 1);
    assert_eq!(
        settings.database.sqlite_synchronous,
        SqliteSynchronous::Full
    );
    assert!(settings.database.migrates_at_start());
    assert!(settings.nats.manage_streams);
    assert_eq!(settings.nats.bytes_factor, 1);
    assert_eq!(settings.nats.inbox_prefix, None);
    assert_eq!(
        settings.outbound.ports,
        OutboundPorts::Only([80, 443, 8080, 8443].into())
    );
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.http.public_url, None);
    assert_eq!(settings.ops.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(settings.outbound.allow_subnets, Vec::<String>::new());
    assert_eq!(settings.telemetry.otlp_endpoint, None);
    assert_eq!(settings.lanes.recheck_after, Duration::from_secs(120));
    assert_eq!(settings.lanes.lease, Duration::from_secs(15));
    assert_eq!(settings.orders.overlap, Duration::from_secs(600));
}

#[test]
fn the_file_wins_over_defaults_and_the_environment_over_the_file() {
    let (_folder, path) = file(
        "data_dir = \"/var/lib/storelink\"\n\
         [http]\nlisten = \"0.0.0.0:80\"\npublic_url = \"https://file.example\"\n",
    );
    let settings = Loader::new()
        .file(&path)
        .variables([("STORELINK_HTTP__PUBLIC_URL", "https://environment.example/")])
        .load()
        .unwrap();
    assert_eq!(settings.http.listen.to_string(), "0.0.0.0:80");
    assert_eq!(
        settings.http.public_url.as_deref(),
        Some("https://environment.example")
    );
    assert_eq!(settings.ops.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(settings.data_dir, Path::new("/var/lib/storelink"));
}

#[test]
fn what_is_empty_follows_the_data_folder() {
    let settings = Loader::new()
        .variables([("STORELINK_DATA_DIR", "/srv/storelink")])
        .load()
        .unwrap();
    assert_eq!(settings.database.url.expose(), "sqlite:/srv/storelink");
    assert_eq!(settings.vault.keys_dir, Path::new("/srv/storelink/keys"));
    let settings = Loader::new()
        .variables([
            ("STORELINK_DATABASE__URL", "postgres://app:pw@db/storelink"),
            ("STORELINK_VAULT__KEYS_DIR", "/keys"),
        ])
        .load()
        .unwrap();
    assert_eq!(
        settings.database.url.expose(),
        "postgres://app:pw@db/storelink"
    );
    assert_eq!(settings.vault.keys_dir, Path::new("/keys"));
}

#[test]
fn variables_are_read_as_the_type_of_their_setting() {
    let settings = Loader::new()
        .variables([
            ("STORELINK_NATS__USER", "007"),
            ("STORELINK_NATS__PASSWORD", "12345"),
            ("STORELINK_NATS__REPLICAS", "3"),
            (
                "STORELINK_OUTBOUND__ALLOW_SUBNETS",
                "10.20.0.0/16, fd00::/8",
            ),
            ("STORELINK_TELEMETRY__LOG", "true"),
        ])
        .load()
        .unwrap();
    assert_eq!(settings.nats.user, "007");
    assert_eq!(settings.nats.password.expose_secret(), "12345");
    assert_eq!(settings.nats.replicas, 3);
    assert_eq!(
        settings.outbound.allow_subnets,
        ["10.20.0.0/16", "fd00::/8"]
    );
    assert_eq!(settings.telemetry.log, "true");
    let list = [("STORELINK_OUTBOUND__ALLOW_SUBNETS", "[\"10.20.0.0/16\"]")];
    let settings = Loader::new().variables(list).load().unwrap();
    assert_eq!(settings.outbound.allow_subnets, ["10.20.0.0/16"]);
}

#[test]
fn variables_of_others_are_left_alone() {
    let settings = Loader::new()
        .variables([
            ("PATH", "/bin"),
            ("STORELINK_PORT", "tcp://10.0.0.1:80"),
            ("STORELINK_NATS_SERVICE_HOST", "10.0.0.2"),
            ("STORELINK_NATS_PORT_4222_TCP", "tcp://10.0.0.2:4222"),
            (
                "STORELINK_TEST_POSTGRES_URL",
                "postgres://localhost/postgres",
            ),
            ("STORELINK_TOKEN", "abc"),
        ])
        .load()
        .unwrap();
    assert_eq!(settings.nats.url.expose(), "nats://127.0.0.1:4222");
}

#[test]
fn ports_are_a_list_or_any_in_the_file_and_in_the_environment() {
    let any = OutboundPorts::Any;
    let two = OutboundPorts::Only([443, 8081].into());
    for (in_file, in_variable, expected) in [
        ("\"any\"", "any", &any),
        ("[\"any\"]", "[\"any\"]", &any),
        ("[443, 8081]", "443,8081", &two),
        ("[443, 8081]", "[443, 8081]", &two),
    ] {
        let (_folder, path) = file(&format!("[outbound]\nports = {in_file}\n"));
        let loaded = Loader::new().file(&path).load().unwrap();
        assert_eq!(&loaded.outbound.ports, expected, "{in_file}");
        let variables = [("STORELINK_OUTBOUND__PORTS", in_variable)];
        let loaded = Loader::new().variables(variables).load().unwrap();
        assert_eq!(&loaded.outbound.ports, expected, "{in_variable}");
        let (_folder, path) = file(&loaded.effective_toml());
        let again = Loader::new().file(&path).load().unwrap();
        assert_eq!(again.outbound.ports, loaded.outbound.ports);
    }
    for wrong in ["", "0", "http", "80,any", "70000"] {
        let variables = [("STORELINK_OUTBOUND__PORTS", wrong)];
        assert!(
            Loader::new().variables(variables).load().is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn who_migrates_follows_the_database_unless_it_is_said() {
    let load = |url: &str, said: &str| {
        let variables = [
            ("STORELINK_DATABASE__URL", url),
            ("STORELINK_DATABASE__MIGRATE_AT_START", said),
        ];
        Loader::new().variables(variables).load()
    };
    let (sqlite, postgres) = ("sqlite:/srv", "postgres://app@db/storelink");
    for (url, said, expected) in [
        (sqlite, "auto", true),
        (postgres, "auto", false),
        (sqlite, "false", false),
        (postgres, "true", true),
    ] {
        let settings = load(url, said).unwrap();
        assert_eq!(
            settings.database.migrates_at_start(),
            expected,
            "{url} {said}"
        );
    }
    assert!(load(sqlite, "sometimes").is_err());
    let (_folder, path) = file("[database]\nmigrate_at_start = false\n");
    let from_file = Loader::new().file(&path).load().unwrap();
    assert!(!from_file.database.migrates_at_start());
}

#[test]
fn an_inbox_prefix_is_a_subject_without_wildcards() {
    let load = |text: &str| {
        let variables = [("STORELINK_NATS__INBOX_PREFIX", text)];
        Loader::new().variables(variables).load()
    };
    let settings = load("_INBOX_poller.a").unwrap();
    assert_eq!(
        settings.nats.inbox_prefix.as_deref(),
        Some("_INBOX_poller.a")
    );
    for wrong in ["_INBOX.>", "*", "a..b", "a b"] {
        assert!(load(wrong).is_err(), "{wrong}");
    }
}
