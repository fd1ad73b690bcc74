//! Bad input for every route: the routes come from the description of the API, so that none can be
//! forgotten.

mod bodies;
mod foreign;
mod masses;
mod paths;
mod wire;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::app::{ADDRESS, Answer, App, SECRET, draft};

/// Refusals are short, whatever was sent.
const LONGEST_REFUSAL: usize = 16 * 1024;

/// One operation of the API.
#[derive(Debug, Clone)]
struct Route {
    method: Method,
    template: String,
    /// Nobody needs a token for it.
    open: bool,
    /// The example of its body; none where it takes no body.
    body: Option<Value>,
    content_type: String,
    /// The parameters of its query.
    query: Vec<String>,
}

impl Route {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// Its path with this connection, and otherwise with things that exist.
    fn path(&self, connection: &str) -> String {
        let path = self
            .template
            .replace("connections/{id}", &format!("connections/{connection}"))
            .replace("{entity}", "orders")
            .replace("{platform}", "teststore")
            .replace("{code}", "object.not_found")
            .replace("{sku}", "MUG-01");
        path.replace("{id}", "none_00000000000000000000000000000000")
    }

    /// Its path with one parameter set to a text as it stands, the others as in [`Route::path`].
    fn path_with(&self, connection: &str, parameter: &str, text: &str) -> String {
        let marked = self.template.replace(parameter, "{marked}");
        let marked = Self {
            template: marked,
            ..self.clone()
        };
        marked.path(connection).replace("{marked}", text)
    }

    fn parameters(&self) -> Vec<&str> {
        let parts = self.template.split('/');
        parts.filter(|part| part.starts_with('{')).collect()
    }
}

/// All routes of the description.
fn routes() -> Vec<Route> {
    let document: Value = serde_json::from_str(&storelink_connection_registry::openapi()).unwrap();
    let mut routes = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content = operation.pointer("/requestBody/content");
            let content = content.and_then(|content| content.as_object()?.iter().next());
            let parameters = operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let query = parameters.iter().filter(|one| one["in"] == "query");
            routes.push(Route {
                method: method.to_uppercase().parse().unwrap(),
                template: template.clone(),
                open: operation["security"] == serde_json::json!([]),
                body: content.map(|(_, media)| fitting(template, media["example"].clone())),
                content_type: content.map(|(kind, _)| kind.clone()).unwrap_or_default(),
                query: query
                    .map(|one| one["name"].as_str().unwrap().to_owned())
                    .collect(),
            });
        }
    }
    assert!(routes.len() >= 42, "{}", routes.len());
    routes
}

fn with_body() -> impl Iterator<Item = (Route, Value)> {
    let routes = routes().into_iter();
    routes.filter_map(|route| Some((route.clone(), route.body.clone()?)))
}

/// An example speaks of a platform that the tests do not have.
fn fitting(template: &str, example: Value) -> Value {
    if template == "/v1/connections" {
        draft("Example")
    } else {
        example
    }
}

/// The codes that the API explains.
async fn known_codes(app: &App) -> BTreeSet<String> {
    let listed = app.admin.get("/v1/problems").await;
    let listed = listed.body["items"].as_array().unwrap().iter();
    listed
        .map(|kind| kind["code"].as_str().unwrap().to_owned())
        .collect()
}

/// An answer to bad input is a refusal with a known code, or the input was good after all; the caller's
/// secrets are not repeated, and nothing fails. Nobody serves the questions to other services here.
fn check(answer: &Answer, codes: &BTreeSet<String>, case: &str) {
    let status = answer.status.as_u16();
    if answer.status.is_success() {
        return;
    }
    assert!(codes.contains(answer.code()), "{case}: {answer:?}");
    assert!(
        (400..500).contains(&status) || answer.code() == "service.no_answer",
        "{case}: {answer:?}"
    );
    let text = answer.body.to_string();
    assert!(
        text.len() <= LONGEST_REFUSAL,
        "{case}: {} bytes",
        text.len()
    );
    for secret in [SECRET, "slk_"] {
        assert!(!text.contains(secret), "{case} repeats {secret}: {text}");
    }
    for (pointer, code) in answer.errors() {
        assert!(pointer.is_empty() || pointer.starts_with('/'), "{case}");
        assert!(!code.is_empty(), "{case}");
    }
}

/// What bad input must not change. Every change leaves a row in the audit log, every event and job a
/// message.
#[derive(Debug, PartialEq)]
struct Effects {
    last_change: Value,
    connections: Value,
    messages: Vec<u64>,
}

async fn effects(app: &App) -> Effects {
    let mut messages = Vec::new();
    for stream in ["ERP_STOCK", "ERP_PRICE", "ERP_PRODUCT", "JOBS"] {
        messages.push(app.world.messages(stream).await);
    }
    let mut connections = app.admin.get("/v1/connections?limit=500").await.body;
    for connection in connections["items"].as_array_mut().unwrap() {
        // It follows what services report, not what is asked here.
        connection.as_object_mut().unwrap().remove("state");
    }
    Effects {
        last_change: app.admin.get("/v1/audit?limit=1").await.body["items"].clone(),
        connections: connections["items"].clone(),
        messages,
    }
}

#[test]
fn every_route_is_walked_with_its_own_address() {
    let all = routes();
    let addresses: BTreeSet<String> = all
        .iter()
        .map(|route| format!("{} {}", route.method, route.path("con_1")))
        .collect();
    assert_eq!(addresses.len(), all.len());
    assert!(addresses.iter().all(|address| !address.contains('{')));
    assert!(with_body().count() >= 12);
    assert!(ADDRESS.starts_with("https://"));
}
