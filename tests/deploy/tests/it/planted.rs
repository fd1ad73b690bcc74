//! The checks find what they are for: mistakes that are put into a right overlay.

use serde_json::{Value, json};
use storelink_deploy_checks::{Finding, Manifests, rules, schema_mistakes};

use crate::rendered;

const REGISTRY: &str = "storelink-connection-registry";
const PUBLISHER: &str = "storelink-stock-publisher";
const POLLER: &str = "storelink-poller-woocommerce";
const CONTAINER: &str = "/spec/template/spec/containers/0";

/// A mistake, and the rule that has to find it in the object it is in.
struct Planted {
    rule: &'static str,
    kind: &'static str,
    name: &'static str,
    change: Box<dyn Fn(&mut Value)>,
}

fn planted(
    rule: &'static str,
    kind: &'static str,
    name: &'static str,
    change: impl Fn(&mut Value) + 'static,
) -> Planted {
    let change = Box::new(change);
    Planted {
        rule,
        kind,
        name,
        change,
    }
}

/// Sets the member at a path that is there.
fn set(path: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |object| *object.pointer_mut(path).unwrap() = value.clone()
}

/// Sets a member of the container.
fn container(member: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |object| object.pointer_mut(CONTAINER).unwrap()[member] = value.clone()
}

/// Adds a variable to the container.
fn variable(name: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |object| {
        let variables = object.pointer_mut(CONTAINER).unwrap()["env"].as_array_mut();
        let mut variable = value.clone();
        variable["name"] = name.into();
        variables.unwrap().push(variable);
    }
}

/// Takes an item out of a list.
fn without(path: &'static str, name: &'static str) -> impl Fn(&mut Value) {
    move |object| {
        let list = object.pointer_mut(path).unwrap().as_array_mut().unwrap();
        let before = list.len();
        list.retain(|item| item["name"] != name);
        assert_eq!(list.len() + 1, before, "{name} is not in {path}");
    }
}

fn rename(member: &'static str, other: &'static str) -> impl Fn(&mut Value) {
    move |object| {
        let container = object.pointer_mut(CONTAINER).unwrap().as_object_mut();
        let container = container.unwrap();
        let value = container.remove(member).unwrap();
        container.insert(other.to_owned(), value);
    }
}

fn schema() -> Vec<Planted> {
    vec![
        planted(
            "schema",
            "Deployment",
            PUBLISHER,
            rename("livenessProbe", "livenesProbe"),
        ),
        planted(
            "schema",
            "Deployment",
            PUBLISHER,
            set("/spec/strategy/type", json!(3)),
        ),
        planted(
            "schema",
            "Ingress",
            REGISTRY,
            set("/apiVersion", json!("networking.k8s.io/v2")),
        ),
        planted("schema", "ScaledObject", POLLER, |object| {
            object["spec"]["minReplicaCounts"] = json!(1);
        }),
        planted("schema", "PodMonitor", "storelink", |object| {
            object["spec"]["podMetricsEndpoints"][0]["ports"] = json!("ops");
        }),
    ]
}

fn ours() -> Vec<Planted> {
    let broker = "/spec/template/spec/volumes/0/secret/secretName";
    let trigger = "/spec/triggers/0/metadata/consumer";
    let account = "/spec/triggers/0/metadata/account";
    let first_port = "/spec/template/spec/containers/0/ports/0/containerPort";
    vec![
        // Names and selectors.
        planted(
            "selector",
            "Deployment",
            PUBLISHER,
            set(
                "/spec/selector/matchLabels/app.kubernetes.io~1component",
                json!("stock-publishers"),
            ),
        ),
        planted(
            "selector",
            "Service",
            REGISTRY,
            set(
                "/spec/selector/app.kubernetes.io~1component",
                json!("registry"),
            ),
        ),
        planted(
            "disruption-budget",
            "Deployment",
            PUBLISHER,
            set(
                "/spec/template/metadata/labels/app.kubernetes.io~1component",
                json!("publisher"),
            ),
        ),
        planted(
            "reference",
            "Deployment",
            PUBLISHER,
            container(
                "envFrom",
                json!([{ "configMapRef": { "name": "storelink" } }]),
            ),
        ),
        planted(
            "ingress",
            "Ingress",
            REGISTRY,
            set(
                "/spec/rules/0/http/paths/0/backend/service/name",
                json!("storelink"),
            ),
        ),
        planted(
            "role",
            "Deployment",
            PUBLISHER,
            container("args", json!(["serve", "publisher"])),
        ),
        // Ports and probes.
        planted(
            "port",
            "Deployment",
            PUBLISHER,
            set(first_port, json!(9091)),
        ),
        planted(
            "probe",
            "Deployment",
            PUBLISHER,
            container(
                "livenessProbe",
                json!({ "httpGet": { "path": "/readyz", "port": "ops" } }),
            ),
        ),
        planted(
            "probe",
            "Deployment",
            REGISTRY,
            container(
                "readinessProbe",
                json!({ "httpGet": { "path": "/readyz", "port": "http" } }),
            ),
        ),
        planted(
            "service-port",
            "Service",
            REGISTRY,
            set("/spec/ports/0/targetPort", json!("web")),
        ),
        planted(
            "metrics",
            "PodMonitor",
            "storelink",
            set("/spec/podMetricsEndpoints/0/path", json!("/metric")),
        ),
        // Settings and secrets.
        planted(
            "configuration",
            "Deployment",
            PUBLISHER,
            variable(
                "STORELINK_NATS__ULR",
                json!({ "value": "nats://nats:4222" }),
            ),
        ),
        planted(
            "configuration",
            "Deployment",
            PUBLISHER,
            variable("STORELINK_DATADIR", json!({ "value": "/data" })),
        ),
        planted(
            "configuration",
            "Deployment",
            PUBLISHER,
            variable(
                "STORELINK_LANES__WRITES_IN_FLIGHT",
                json!({ "value": "many" }),
            ),
        ),
        planted(
            "secret",
            "Deployment",
            PUBLISHER,
            variable(
                "STORELINK_NATS__URL",
                json!({ "value": "tls://storelink:s3cret@nats:4222" }),
            ),
        ),
        planted(
            "secret",
            "Deployment",
            PUBLISHER,
            variable(
                "STORELINK_NATS__PASSWORD",
                json!({ "valueFrom": { "secretKeyRef": { "name": "broker", "key": "password" } } }),
            ),
        ),
        planted(
            "secret-mount",
            "Deployment",
            PUBLISHER,
            without("/spec/template/spec/containers/0/volumeMounts", "database"),
        ),
        planted(
            "secret-mount",
            "Job",
            "storelink-streams",
            set(
                "/spec/template/spec/volumes/0/secret/items/0/path",
                json!("creds"),
            ),
        ),
        planted(
            "data-mount",
            "Deployment",
            REGISTRY,
            without("/spec/template/spec/containers/0/volumeMounts", "data"),
        ),
        planted(
            "broker-user",
            "Deployment",
            PUBLISHER,
            set(broker, json!("storelink-broker-price-publisher")),
        ),
        // Scaling.
        planted(
            "consumer",
            "ScaledObject",
            POLLER,
            set(trigger, json!("poller-woocomerce")),
        ),
        planted(
            "consumer",
            "ScaledObject",
            POLLER,
            set(account, json!("$G")),
        ),
        planted(
            "consumer",
            "ScaledObject",
            POLLER,
            set(trigger, json!("hooks-woocommerce")),
        ),
        planted(
            "autoscaler",
            "ScaledObject",
            POLLER,
            set("/spec/scaleTargetRef/name", json!("poller-woocommerce")),
        ),
        planted("autoscaler", "Deployment", PUBLISHER, |object| {
            object["spec"]["replicas"] = json!(2);
        }),
        // Network.
        planted(
            "policy",
            "NetworkPolicy",
            "storelink-stores",
            set(
                "/spec/podSelector/matchLabels/storelink~1calls-stores",
                json!("yes"),
            ),
        ),
        planted("policy", "NetworkPolicy", "storelink-broker", |object| {
            object["spec"]["egress"] = json!([{}]);
        }),
        planted(
            "policy",
            "NetworkPolicy",
            "storelink-api",
            set("/spec/ingress/0/ports/0/port", json!("https")),
        ),
        planted(
            "internet",
            "Deployment",
            "storelink-order-ingest",
            set(
                "/spec/template/metadata/labels",
                json!({
                    "app.kubernetes.io/name": "storelink",
                    "app.kubernetes.io/component": "order-ingest",
                    "storelink/calls-stores": "true",
                }),
            ),
        ),
        // Rights and images.
        planted(
            "rights",
            "Deployment",
            PUBLISHER,
            container("securityContext", json!({ "privileged": true })),
        ),
        planted(
            "room",
            "Deployment",
            PUBLISHER,
            set(
                "/spec/template/spec/containers/0/resources/limits",
                json!({ "cpu": "1" }),
            ),
        ),
        planted(
            "image",
            "Deployment",
            PUBLISHER,
            container("image", json!("storelink:latest")),
        ),
        planted(
            "image",
            "Job",
            "storelink-migrate",
            container("image", json!("storelink:0.0.1")),
        ),
        planted(
            "end",
            "Deployment",
            PUBLISHER,
            set(
                "/spec/template/spec/terminationGracePeriodSeconds",
                json!(30),
            ),
        ),
    ]
}

fn with(right: &Manifests, mistake: &Planted) -> Manifests {
    let mut wrong = right.clone();
    let object = wrong.find_mut(mistake.kind, mistake.name);
    (mistake.change)(object.unwrap());
    wrong
}

/// Found by the rule that is for it, and in its place.
fn assert_found(mistake: &Planted, number: usize, found: &[Finding]) {
    let object = format!("{}/{}", mistake.kind, mistake.name);
    let named = |finding: &&Finding| finding.rule == mistake.rule && finding.object == object;
    assert!(
        found.iter().find(named).is_some(),
        "mistake {number} of {} in {object} is not found: {found:#?}",
        mistake.rule
    );
}

#[test]
fn planted_mistakes_are_found_by_the_rules() {
    let (right, program, facts) = rendered("production");
    for (number, mistake) in ours().iter().enumerate() {
        let found = rules::mistakes(&with(&right, mistake), &program, &facts).unwrap();
        assert_found(mistake, number, &found);
    }
}

#[test]
fn planted_mistakes_are_found_by_the_schemas() {
    let (right, ..) = rendered("production");
    for (number, mistake) in schema().iter().enumerate() {
        let found = schema_mistakes(&with(&right, mistake)).unwrap();
        assert_found(mistake, number, &found);
    }
}

#[test]
fn what_is_missing_is_found() {
    let (right, program, facts) = rendered("production");
    for (rule, kind, name) in [
        ("disruption-budget", "PodDisruptionBudget", PUBLISHER),
        ("role", "Deployment", "storelink-price-publisher"),
        ("reference", "ServiceAccount", PUBLISHER),
        ("policy", "NetworkPolicy", "default-deny"),
        ("policy", "NetworkPolicy", "dns"),
        ("policy", "NetworkPolicy", "storelink-broker"),
        ("policy", "NetworkPolicy", "storelink-traces"),
        ("internet", "NetworkPolicy", "storelink-stores"),
    ] {
        let mut wrong = right.clone();
        wrong.remove(kind, name);
        let found = rules::mistakes(&wrong, &program, &facts).unwrap();
        assert!(
            found.iter().any(|finding| finding.rule == rule),
            "{kind}/{name} is not missed by {rule}: {found:#?}"
        );
    }
}
