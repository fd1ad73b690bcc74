//! A registry on a free port, with a broker and a database of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use storelink_adapter_api::Adapters;
use storelink_bus::kv::Bucket;
use storelink_bus::streams::{self, Sizing};
use storelink_bus::{Bus, BusOptions};
use storelink_connection_registry as registry;
use storelink_events::connection::ConnectionRecord;
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_persistence::Database;
use storelink_service::{ServiceContext, ServiceParts};
use storelink_settings::Loader;
use storelink_telemetry::Readiness;
use storelink_test_support::broker::TestBroker;
use storelink_test_support::database::TestDatabase;
use storelink_vault::{CreateMissing, Vault};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fake_store::{FakeAdapter, Stores};

/// Longest wait for something that happens in the background.
const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const KEY: &str = "k_0123456789abcdef";
pub(crate) const SECRET: &str = "s_fedcba9876543210";
pub(crate) const ADDRESS: &str = "https://shop.example.com";

/// Which database a test runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// What a registry needs, without one running.
pub(crate) struct World {
    pub(crate) broker: TestBroker,
    pub(crate) database: TestDatabase,
    pub(crate) folder: TempDir,
    pub(crate) stores: Stores,
    pub(crate) bus: Bus,
    /// How often a token may ask, in a second and at once.
    pub(crate) request_burst: u32,
}

/// A running registry.
pub(crate) struct Replica {
    pub(crate) url: String,
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<Result<(), registry::RegistryError>>,
}

/// A world with one registry in it.
pub(crate) struct App {
    pub(crate) world: World,
    pub(crate) replica: Replica,
    pub(crate) admin: Client,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

/// Calls the API with one token.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    pub(crate) token: Option<String>,
}

impl World {
    pub(crate) async fn new(on: On) -> Self {
        let broker = TestBroker::start().await.unwrap();
        let bus = Bus::connect(&BusOptions::new(broker.url(), "test"))
            .await
            .unwrap();
        streams::apply(&bus, Sizing::default()).await.unwrap();
        let database = match on {
            On::Sqlite => TestDatabase::sqlite().unwrap(),
            On::Postgres => TestDatabase::postgres().await.unwrap(),
        };
        let folder = tempfile::tempdir().unwrap();
        Self {
            broker,
            database,
            folder,
            stores: Stores::default(),
            bus,
            request_burst: 1_000_000,
        }
    }

    pub(crate) async fn context(&self, public_url: &str) -> ServiceContext {
        let data_dir = self.folder.path().display().to_string();
        let settings = Loader::new()
            .variables([
                ("STORELINK_DATA_DIR", data_dir.as_str()),
                ("STORELINK_DATABASE__URL", self.database.url()),
                ("STORELINK_DATABASE__MIGRATE_AT_START", "true"),
                ("STORELINK_HTTP__PUBLIC_URL", public_url),
                (
                    "STORELINK_HTTP__REQUESTS_PER_SECOND",
                    &self.request_burst.to_string(),
                ),
                (
                    "STORELINK_HTTP__REQUEST_BURST",
                    &self.request_burst.to_string(),
                ),
            ])
            .load()
            .unwrap();
        let bus = Bus::connect(&BusOptions::new(self.broker.url(), "registry"))
            .await
            .unwrap();
        let vault = Vault::open(&settings.vault.keys_dir, CreateMissing::Yes).unwrap();
        ServiceContext::new(ServiceParts {
            settings: Arc::new(settings),
            bus,
            vault: Arc::new(vault),
            http: HttpClient::new(OutboundPolicy::loopback()).unwrap(),
            adapters: Adapters::default().with(FakeAdapter::new(self.stores.clone())),
            readiness: Readiness::new(),
            shutdown: CancellationToken::new(),
        })
    }

    pub(crate) async fn start(&self) -> Replica {
        self.start_with("").await
    }

    pub(crate) async fn start_with(&self, public_url: &str) -> Replica {
        let context = self.context(public_url).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = context.shutdown.clone();
        let task = tokio::spawn(registry::serve(context, listener));
        let mut replica = Replica {
            url,
            shutdown,
            task,
        };
        // The listener is bound already: the first answer says that the registry serves it.
        let client = replica.client(None);
        tokio::select! {
            ended = &mut replica.task => panic!("the registry did not start: {ended:?}"),
            home = client.get("/") => assert_eq!(home.status, 200),
        }
        replica
    }

    pub(crate) fn admin_token_file(&self) -> PathBuf {
        registry::admin_token_path(self.folder.path())
    }

    pub(crate) fn admin_token(&self) -> String {
        std::fs::read_to_string(self.admin_token_file())
            .unwrap()
            .trim()
            .to_owned()
    }

    /// The database itself. On SQLite only while no registry runs.
    pub(crate) async fn open_database(&self) -> Database {
        let settings = self.database.settings();
        let database = Database::open(&settings, registry::SERVICE).await.unwrap();
        database.migrate(&registry::MIGRATOR).await.unwrap();
        database
    }

    pub(crate) async fn record(&self, id: &str) -> Option<ConnectionRecord> {
        let bucket = Bucket::new(&self.bus, streams::names::CONNECTIONS);
        let entry = bucket.get(&format!("connection.{id}")).await.unwrap()?;
        Some(serde_json::from_slice(&entry.value).unwrap())
    }

    /// Messages in a stream.
    pub(crate) async fn messages(&self, stream: &str) -> u64 {
        let mut stream = self.bus.jetstream().get_stream(stream).await.unwrap();
        stream.info().await.unwrap().state.messages
    }

    /// The last message of a subject as JSON with its headers.
    pub(crate) async fn last(
        &self,
        stream: &str,
        subject: &str,
    ) -> Option<(Value, storelink_bus::Headers)> {
        let stream = self.bus.jetstream().get_stream(stream).await.unwrap();
        let message = stream.direct_get_last_for_subject(subject).await.ok()?;
        let headers = storelink_bus::Headers::from(message.headers);
        Some((serde_json::from_slice(&message.payload).unwrap(), headers))
    }
}

impl Replica {
    /// Asks it to end, as SIGTERM does, and waits.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) fn client(&self, token: Option<&str>) -> Client {
        // Another test may have been first; which one makes no difference.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE * 3)
            .build()
            .unwrap();
        Client {
            http,
            base: self.url.clone(),
            token: token.map(str::to_owned),
        }
    }
}

impl App {
    pub(crate) async fn start(on: On) -> Self {
        let world = World::new(on).await;
        let replica = world.start().await;
        let admin = replica.client(Some(&world.admin_token()));
        Self {
            world,
            replica,
            admin,
        }
    }

    /// A client with a new token of a role.
    pub(crate) async fn with_role(&self, role: &str) -> Client {
        let made = self
            .admin
            .post("/v1/tokens", &json!({"role": role, "label": role}))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        self.replica.client(made.body["token"].as_str())
    }

    /// Ends the registry and starts it again on the same database.
    pub(crate) async fn restart(self) -> Self {
        let Self { world, replica, .. } = self;
        replica.stop().await;
        let replica = world.start().await;
        let admin = replica.client(Some(&world.admin_token()));
        Self {
            world,
            replica,
            admin,
        }
    }

    /// A draft with everything that verification needs.
    pub(crate) async fn draft(&self, name: &str) -> String {
        let made = self.admin.post("/v1/connections", &draft(name)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn ticket(&self, id: &str) -> String {
        let green = self
            .admin
            .post_empty(&format!("/v1/connections/{id}/verify"))
            .await;
        assert_eq!(green.body["status"], "green", "{green:?}");
        green.body["ticket"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn activate(&self, id: &str) {
        let body = json!({"ticket": self.ticket(id).await});
        let done = self
            .admin
            .post(&format!("/v1/connections/{id}/activate"), &body)
            .await;
        assert_eq!(done.status, 200, "{done:?}");
    }

    pub(crate) async fn active(&self, name: &str) -> String {
        let id = self.draft(name).await;
        self.activate(&id).await;
        id
    }

    pub(crate) async fn schedule(&self, id: &str, entity: &str, body: &Value) -> Answer {
        self.admin
            .put(&format!("/v1/connections/{id}/schedules/{entity}"), body)
            .await
    }
}

/// Makes a tenant and a token of an administrator for it.
pub(crate) async fn add_admin(database: &Database, name: &str) -> String {
    let tenant = name.parse().unwrap();
    registry::add_tenant(database, &tenant).await.unwrap();
    let purpose = registry::TokenPurpose {
        tenant,
        role: registry::Role::Admin,
        label: "admin".to_owned(),
        expires: None,
    };
    let made = registry::add_token(database, &purpose).await.unwrap();
    made.token.expose_secret().to_owned()
}

pub(crate) fn draft(name: &str) -> Value {
    json!({
        "platform": "teststore", "name": name, "address": ADDRESS,
        "credentials": {"key": KEY, "secret": SECRET},
        "settings": {"warehouses": ["main"]}
    })
}

impl Client {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn post_empty(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body))
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            if bytes.is_empty() {
                Value::Null
            } else {
                Value::String(String::from_utf8_lossy(&bytes).into_owned())
            }
        });
        let answer = Answer {
            status,
            headers,
            body,
        };
        answer.check_problem();
        answer
    }
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Pointer and code of each error.
    pub(crate) fn errors(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| (text(&error["pointer"]), text(&error["code"])))
            .collect()
    }

    /// Every error is a problem document; every answer carries the protecting headers.
    fn check_problem(&self) {
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        assert!(
            !self.header("content-security-policy").is_empty(),
            "{self:?}"
        );
        if self.status.is_success() {
            return;
        }
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        assert_eq!(
            self.body["trace_id"].as_str().map(str::len),
            Some(32),
            "{self:?}"
        );
        for member in ["type", "title", "detail", "instance", "code", "remedy"] {
            let text = self.body[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{member} in {self:?}");
        }
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Runs one test on both databases.
macro_rules! on_both {
    ($name:ident) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                Box::pin(super::$name(crate::app::On::Sqlite)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                Box::pin(super::$name(crate::app::On::Postgres)).await;
            }
        }
    };
}
pub(crate) use on_both;
