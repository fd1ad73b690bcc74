//! A small client of the `/v1` API, written from its description and not from our own types.

mod types;

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use types::Page;
pub use types::{
    ApiProblem, CatalogState, Check, Connection, ConnectionState, ConnectionStatus, ErpValue,
    LaneState, LedgerOrder, NewConnection, ParkedItem, RunState, SkuListing, SkuSide, SkuState,
    Verification,
};

/// Verifying asks a store, which may take more than a minute.
const TIME_LIMIT: Duration = Duration::from_secs(80);
const PAGE: usize = 500;

/// Calls the API with one token.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
    token: String,
}

impl Api {
    /// Calls the API at this address, without a path, with this token.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(base: impl Into<String>, token: impl Into<String>) -> anyhow::Result<Self> {
        Ok(Self {
            client: http_client()?,
            base: base.into(),
            token: token.into(),
        })
    }

    /// The same API with another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            ..self.clone()
        }
    }

    /// Saves a draft; answers its id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_connection(&self, entered: &NewConnection) -> anyhow::Result<String> {
        let created: Connection = self
            .post("/v1/connections", Some(serde_json::to_value(entered)?))
            .await?;
        Ok(created.id)
    }

    /// A connection.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connection(&self, id: &str) -> anyhow::Result<Connection> {
        self.get(&format!("/v1/connections/{id}")).await
    }

    /// Changes a connection by a JSON merge patch.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn change_connection(&self, id: &str, patch: Value) -> anyhow::Result<Connection> {
        self.call(Method::PATCH, &format!("/v1/connections/{id}"), Some(patch))
            .await
    }

    /// Asks the store whether what was entered is right.
    ///
    /// # Errors
    /// When the question cannot be asked; a red answer is no error.
    pub async fn verify(&self, id: &str) -> anyhow::Result<Verification> {
        self.post(&format!("/v1/connections/{id}/verify"), None)
            .await
    }

    /// Puts verified values into use.
    ///
    /// # Errors
    /// When the ticket is refused.
    pub async fn activate(&self, id: &str, ticket: &str) -> anyhow::Result<()> {
        let body = Some(json!({ "ticket": ticket }));
        self.post::<Value>(&format!("/v1/connections/{id}/activate"), body)
            .await
            .map(drop)
    }

    /// Switches an entity on, read every so many seconds where it is read.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn switch_on(&self, id: &str, entity: &str, seconds: u64) -> anyhow::Result<()> {
        let body = json!({ "active": true, "every_seconds": seconds });
        self.set_schedule(id, entity, body).await
    }

    /// Switches an entity off.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn switch_off(&self, id: &str, entity: &str) -> anyhow::Result<()> {
        self.set_schedule(id, entity, json!({ "active": false }))
            .await
    }

    async fn set_schedule(&self, id: &str, entity: &str, body: Value) -> anyhow::Result<()> {
        let path = format!("/v1/connections/{id}/schedules/{entity}");
        self.call::<Value>(Method::PUT, &path, Some(body))
            .await
            .map(drop)
    }

    /// Puts a run into the queue; answers its id.
    ///
    /// # Errors
    /// When it is refused, for example since one waits already.
    pub async fn run_now(&self, id: &str, entity: &str) -> anyhow::Result<String> {
        let path = format!("/v1/connections/{id}/schedules/{entity}/run-now");
        let run: RunState = self.post(&path, None).await?;
        Ok(run.id)
    }

    /// A run of a connection.
    ///
    /// # Errors
    /// When it is not among the newest.
    pub async fn run(&self, id: &str, run: &str) -> anyhow::Result<RunState> {
        let page: Page<RunState> = self.get(&format!("/v1/connections/{id}/runs")).await?;
        page.items
            .into_iter()
            .find(|known| known.id == run)
            .with_context(|| format!("no run {run}"))
    }

    /// Switches a connection off.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn pause(&self, id: &str) -> anyhow::Result<()> {
        let body = Some(json!({ "reason": "a test" }));
        self.post::<Value>(&format!("/v1/connections/{id}/pause"), body)
            .await
            .map(drop)
    }

    /// Switches a connection on again.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn resume(&self, id: &str) -> anyhow::Result<()> {
        self.post::<Value>(&format!("/v1/connections/{id}/resume"), None)
            .await
            .map(drop)
    }

    /// Stops all writes of the tenant.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn pause_writes(&self) -> anyhow::Result<()> {
        let body = Some(json!({ "reason": "a test" }));
        self.post::<Value>("/v1/tenant/pause-writes", body)
            .await
            .map(drop)
    }

    /// Lets all writes of the tenant go on.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn resume_writes(&self) -> anyhow::Result<()> {
        self.post::<Value>("/v1/tenant/resume-writes", None)
            .await
            .map(drop)
    }

    /// Keeps a quantity of a SKU back from all stores; answers the hold's id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn hold(&self, sku: &str, quantity: &str) -> anyhow::Result<String> {
        let body = json!({ "sku": sku, "quantity": quantity });
        let made: Value = self.post("/v1/holds", Some(body)).await?;
        let id = made["id"].as_str().context("a hold without an id")?;
        Ok(id.to_owned())
    }

    /// Cancels a hold.
    ///
    /// # Errors
    /// When there is no such hold.
    pub async fn cancel_hold(&self, id: &str) -> anyhow::Result<()> {
        let path = format!("/v1/holds/{id}");
        let (status, body) = answer(self.request(Method::DELETE, &path)).await?;
        anyhow::ensure!(status == StatusCode::NO_CONTENT, "{status}: {body}");
        Ok(())
    }

    /// Approves the changes that a connection asks about; answers how many.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn approve(
        &self,
        id: &str,
        entity: &str,
        number: u64,
        digest: &str,
    ) -> anyhow::Result<u64> {
        let body = json!({ "entity": entity, "number": number, "digest": digest });
        let path = format!("/v1/connections/{id}/approve");
        let approved: Value = self.post(&path, Some(body)).await?;
        approved["approved"].as_u64().context("no number")
    }

    /// What is known of one SKU of a connection.
    ///
    /// # Errors
    /// When it is not known at all, or a service does not answer.
    pub async fn sku(&self, id: &str, sku: &str) -> anyhow::Result<SkuState> {
        let sku = encoded(sku);
        self.get(&format!("/v1/connections/{id}/skus/{sku}")).await
    }

    /// How far a connection is.
    ///
    /// # Errors
    /// When there is none.
    pub async fn status(&self, id: &str) -> anyhow::Result<ConnectionStatus> {
        self.get(&format!("/v1/connections/{id}/status")).await
    }

    /// All orders of a connection in the ledger.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn orders(&self, connection: &str) -> anyhow::Result<Vec<LedgerOrder>> {
        self.all(&format!("/v1/orders?connection={connection}"))
            .await
    }

    /// All parked items of a connection.
    ///
    /// # Errors
    /// When a service does not answer.
    pub async fn parked(&self, connection: &str) -> anyhow::Result<Vec<ParkedItem>> {
        self.all(&format!("/v1/parked?connection={connection}"))
            .await
    }

    /// Posts an event; false when it was refused for a reason of its own.
    ///
    /// # Errors
    /// When it could not be taken for another reason.
    pub async fn publish_event(&self, key: &str, event: &Value) -> anyhow::Result<bool> {
        let (status, body) = self.post_event(Some(key), event).await?;
        match status {
            status if status.is_success() => Ok(true),
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => Ok(false),
            status => bail!("POST /v1/events: {status}: {body}"),
        }
    }

    /// Posts an event; answers status and body as they are.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post_event(
        &self,
        key: Option<&str>,
        event: &Value,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.request(Method::POST, "/v1/events").json(event);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        answer(request).await
    }

    /// Makes a token of a role; answers its text.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_token(&self, role: &str, label: &str) -> anyhow::Result<String> {
        let body = Some(json!({ "role": role, "label": label }));
        let made: Value = self.post("/v1/tokens", body).await?;
        let text = made
            .get("token")
            .and_then(Value::as_str)
            .context("no token in the answer")?;
        Ok(text.to_owned())
    }

    /// Any address, for what this client has no word for.
    ///
    /// # Errors
    /// When the answer is an error.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.call(Method::GET, path, None).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        self.call(Method::POST, path, body).await
    }

    /// Every page of a list.
    async fn all<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Vec<T>> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{joint}limit={PAGE}");
        let mut items = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let address = match &next {
                Some(cursor) => format!("{first}&cursor={}", encoded(cursor)),
                None => first.clone(),
            };
            let page: Page<T> = self.get(&address).await?;
            anyhow::ensure!(
                page.unavailable.is_empty(),
                "{:?} did not answer",
                page.unavailable
            );
            items.extend(page.items);
            match page.next {
                Some(cursor) => next = Some(cursor),
                None => return Ok(items),
            }
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        let mut request = self.request(method.clone(), path);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let (status, answer) = answer(request).await?;
        if !status.is_success() {
            let problem: ApiProblem = serde_json::from_value(answer.clone())
                .with_context(|| format!("{method} {path}: {status}: {answer}"))?;
            return Err(anyhow::Error::new(problem).context(format!("{method} {path}")));
        }
        serde_json::from_value(answer.clone())
            .with_context(|| format!("{method} {path} answered {answer}"))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }
}

/// The answer; who asks too often waits as long as it is told.
async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<(StatusCode, Value)> {
    let response = loop {
        let again = request
            .try_clone()
            .context("a body that can be sent once")?;
        let response = again.send().await?;
        let pause = response.headers().get(reqwest::header::RETRY_AFTER);
        let pause = pause.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        match pause {
            Some(seconds) if response.status() == StatusCode::TOO_MANY_REQUESTS => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            _ => break response,
        }
    };
    let status = response.status();
    let bytes = response.bytes().await?;
    if bytes.is_empty() {
        return Ok((status, Value::Null));
    }
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok((status, body))
}

/// A client for addresses of this machine.
///
/// # Errors
/// When it cannot be made.
pub fn http_client() -> anyhow::Result<Client> {
    // Another caller may have been first; which one makes no difference.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .timeout(TIME_LIMIT)
        .connect_timeout(Duration::from_secs(5));
    Ok(client.no_proxy().build()?)
}

/// Text as one part of a path or query.
fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            encoded
        })
}
