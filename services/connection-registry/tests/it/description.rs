//! The description of the API: complete, and true.

use serde_json::Value;

use crate::app::{App, On};

fn document() -> Value {
    serde_json::from_str(&storelink_connection_registry::openapi()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| {
                    (format!("{} {path}", method.to_uppercase()), operation)
                })
        })
        .collect()
}

#[test]
fn every_operation_has_summary_security_problems_and_examples() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = std::collections::BTreeSet::new();
    for (name, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{name}");
        assert!(operation["security"].is_array(), "{name}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(
            !id.is_empty() && ids.insert(id.to_owned()),
            "{name}: {id:?} is not unique"
        );
        assert!(
            operation["tags"]
                .as_array()
                .is_some_and(|tags| tags.len() == 1),
            "{name}"
        );
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("500"), "{name}");
        if operation["security"] != serde_json::json!([]) {
            assert!(
                responses.contains_key("401") && responses.contains_key("403"),
                "{name}"
            );
        }
        let bodies = responses
            .iter()
            .filter_map(|(status, response)| Some((status.as_str(), response.get("content")?)));
        let request = operation
            .pointer("/requestBody/content")
            .map(|content| ("body", content));
        for (which, content) in bodies.chain(request) {
            for (kind, media) in content.as_object().unwrap() {
                assert!(
                    media.get("example").is_some(),
                    "{name} {which} {kind} has no example"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if name == "$ref" {
                        found.push(member.as_str().unwrap());
                    }
                    references(member, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_example_of_each_schema_fits_it() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut checked = 0;
    for (name, schema) in schemas {
        let listed = schema.pointer("/examples/0");
        let Some(example) = schema.get("example").or(listed) else {
            continue;
        };
        // The whole document is the root, so that references inside are found.
        let mut root = document.clone();
        root["$ref"] = Value::String(format!("#/components/schemas/{name}"));
        let validator = jsonschema::draft202012::new(&root).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(example)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        checked += 1;
    }
    assert!(checked >= 20, "{checked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_is_served_and_answers_fit_it() {
    let app = App::start(On::Sqlite).await;
    let nobody = app.replica.client(None);
    let served = nobody.get("/v1/openapi.json").await;
    assert!(
        served.body == document(),
        "the served description is another one"
    );
    let home = nobody.get("/").await;
    assert!(home.body.as_str().unwrap().contains("/v1/openapi.json"));

    let id = app.active("A").await;
    for (path, schema) in [
        (format!("/v1/connections/{id}"), "ConnectionView"),
        (format!("/v1/connections/{id}/schedules"), "Schedules"),
        (format!("/v1/connections/{id}/status"), "StatusView"),
        (format!("/v1/connections/{id}/skus/A%2FB"), "SkuView"),
        ("/v1/platforms/teststore".to_owned(), "Descriptor"),
        ("/v1/tenant".to_owned(), "TenantView"),
    ] {
        let answer = app.admin.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let mut root = document();
        root["$ref"] = Value::String(format!("#/components/schemas/{schema}"));
        let validator = jsonschema::draft202012::new(&root).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&answer.body)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:?}");
    }
    let kinds = nobody.get("/v1/problems").await;
    for kind in kinds.body["items"].as_array().unwrap() {
        let code = kind["code"].as_str().unwrap();
        assert_eq!(
            nobody.get(&format!("/v1/problems/{code}")).await.body,
            *kind
        );
    }
}
