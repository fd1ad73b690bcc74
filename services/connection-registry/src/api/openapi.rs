//! The description of the API: what the handlers say about themselves, completed by what is the
//! same for all of them.

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{routes, schemas};
use crate::access::{self, Allowed};
use crate::problem::{FieldError, Problem, ProblemDocument, catalogue};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Storelink",
        version = "1",
        description = "Links online stores with an ERP: connections, schedules, events, receipts. \
            Errors are problem documents (RFC 9457) with stable codes; see /v1/problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This installation")),
    tags(
        (name = "connections", description = "Links to stores: draft, verify, activate, run"),
        (name = "schedules", description = "What is read and written, and when"),
        (name = "events", description = "ERP events from systems without NATS"),
        (name = "holds", description = "Quantities that are kept back from what is published"),
        (name = "parked", description = "What waits for a person"),
        (name = "ledger", description = "What was written and what came in"),
        (name = "platforms", description = "Fields and guided steps of each platform"),
        (name = "tenant", description = "The tenant of the token"),
        (name = "tokens", description = "Access and audit"),
        (name = "problems", description = "The catalogue of errors"),
        (name = "description", description = "This description"),
    ),
    components(schemas(ProblemDocument, FieldError)),
)]
pub(crate) struct Base;

/// Problems by status: the name of the shared answer, and what it says.
const PROBLEMS: [(u16, &str, &str); 13] = [
    (400, "BadRequest", "The request cannot be read"),
    (401, "Unauthorized", "There is no valid token"),
    (
        403,
        "Forbidden",
        "The role of the token does not allow this",
    ),
    (404, "NotFound", "There is no such object"),
    (408, "RequestTimeout", "The body did not arrive in time"),
    (409, "Conflict", "The state of the object does not allow it"),
    (
        412,
        "PreconditionFailed",
        "The object was changed meanwhile",
    ),
    (413, "ContentTooLarge", "The body is too large"),
    (415, "UnsupportedMediaType", "The body is not JSON"),
    (
        422,
        "UnprocessableContent",
        "The request is not what is expected",
    ),
    (429, "TooManyRequests", "Too much is asked at once"),
    (500, "InternalServerError", "The service failed"),
    (
        503,
        "ServiceUnavailable",
        "Something that is needed does not answer",
    ),
];

/// The description as JSON.
#[must_use]
pub fn openapi() -> String {
    let (_, document) = routes().split_for_parts();
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    add_components(&mut document);
    let empty = Map::new();
    let examples = examples(&document);
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().unwrap_or(&mut empty.clone()) {
                if operation.is_object() {
                    complete(path, method, operation);
                    show_examples(operation, &examples);
                }
            }
        }
    }
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn add_components(document: &mut Value) {
    let Some(components) = document
        .get_mut("components")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    components.insert(
        "securitySchemes".to_owned(),
        json!({"token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of this installation, `slk_…`; it decides tenant and role."
        }}),
    );
    let problems: Map<String, Value> = PROBLEMS
        .into_iter()
        .map(|(status, name, description)| (name.to_owned(), problem_answer(status, description)))
        .collect();
    components.insert("responses".to_owned(), Value::Object(problems));
    if let Some(known) = components.get_mut("schemas").and_then(Value::as_object_mut) {
        known.extend(schemas::definitions());
    }
}

fn problem_answer(status: u16, description: &str) -> Value {
    let kind = catalogue::ALL.iter().find(|kind| kind.status == status);
    let example = kind.map(|kind| {
        let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
        Problem::new(kind).document("/v1/connections", trace_id)
    });
    json!({
        "description": description,
        "content": {"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/ProblemDocument"},
            "example": example
        }}
    })
}

/// Security, roles and the problem answers, by the one table of routes.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let has_body = operation.get("requestBody").is_some();
    let Some(operation) = operation.as_object_mut() else {
        return;
    };
    let mut statuses = vec![400, 500];
    match access::allowed(&method.to_ascii_uppercase(), path) {
        Some(Allowed::Roles(roles)) => {
            let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            operation.insert("security".to_owned(), json!([{"token": []}]));
            operation.insert("x-roles".to_owned(), json!(names));
            statuses.extend([401, 403, 429, 503]);
        }
        _ => {
            operation.insert("security".to_owned(), json!([]));
        }
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if has_body {
        statuses.extend([408, 413, 415, 422]);
    }
    match method {
        "post" => {
            add_idempotency_key(operation);
            statuses.extend([409, 422]);
        }
        "patch" => statuses.extend([409, 412]),
        "put" | "delete" => statuses.push(409),
        _ => {}
    }
    let Some(responses) = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for (status, name, _) in PROBLEMS
        .into_iter()
        .filter(|(status, ..)| statuses.contains(status))
    {
        responses
            .entry(status.to_string())
            .or_insert_with(|| json!({"$ref": format!("#/components/responses/{name}")}));
    }
}

fn add_idempotency_key(operation: &mut Map<String, Value>) {
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "A repetition with the same key and body within 24 hours has no second \
                effect and gets the first answer.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "example": "01980f6e-1f4a-7d0c-9b1e-2a3b4c5d6e7f"
        }));
    }
}

/// The example of each schema, by the reference to it.
fn examples(document: &Value) -> Map<String, Value> {
    let schemas = document
        .pointer("/components/schemas")
        .and_then(Value::as_object);
    let mut found = Map::new();
    for (name, schema) in schemas.into_iter().flatten() {
        let listed = schema.pointer("/examples/0");
        if let Some(example) = schema.get("example").or(listed) {
            found.insert(format!("#/components/schemas/{name}"), example.clone());
        }
    }
    // A page shows one item of its kind.
    for (name, schema) in schemas.into_iter().flatten() {
        let item = schema
            .pointer("/properties/items/items/$ref")
            .and_then(Value::as_str);
        let inline = schema.pointer("/properties/items/items/example");
        if let Some(example) = item.and_then(|item| found.get(item)).or(inline).cloned() {
            let page = json!({"items": [example]});
            found
                .entry(format!("#/components/schemas/{name}"))
                .or_insert(page);
        }
    }
    found
}

/// Puts the example of a body's schema beside it.
fn show_examples(operation: &mut Value, examples: &Map<String, Value>) {
    let show = |content: Option<&mut Value>| {
        for media in content.and_then(Value::as_object_mut).into_iter().flatten() {
            let Some(media) = media.1.as_object_mut() else {
                continue;
            };
            let reference = media.get("schema").and_then(reference_in);
            let example = reference.and_then(|reference| examples.get(&reference));
            if let (Some(example), false) = (example, media.contains_key("example")) {
                media.insert("example".to_owned(), example.clone());
            }
        }
    };
    show(operation.pointer_mut("/requestBody/content"));
    let responses = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut);
    for (_, response) in responses.into_iter().flatten() {
        show(response.get_mut("content"));
    }
}

/// The reference that a schema is, or that it is beside null.
fn reference_in(schema: &Value) -> Option<String> {
    let direct = schema.get("$ref").and_then(Value::as_str);
    let beside_null = || {
        let choices = schema.get("oneOf").and_then(Value::as_array)?;
        choices
            .iter()
            .find_map(|choice| choice.get("$ref").and_then(Value::as_str))
    };
    direct.or_else(beside_null).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_of_routes_and_the_served_operations_are_the_same() {
        let document: Value = serde_json::from_str(&openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let served: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(move |method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let listed: BTreeSet<(String, String)> = access::TABLE
            .iter()
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(served, listed);
        assert_eq!(listed.len(), access::TABLE.len(), "a route is listed twice");
    }

    #[test]
    fn the_description_is_the_same_each_time() {
        assert_eq!(openapi(), openapi());
    }
}
