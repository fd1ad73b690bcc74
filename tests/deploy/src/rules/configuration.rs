//! Variables are settings that the program knows, and none of them is a secret.

use std::collections::BTreeMap;

use super::{Findings, World};
use crate::manifests::{id_of, items};
use crate::pods::Pod;
use crate::{Effective, Manifests, Program};

const PREFIX: &str = "STORELINK_";

/// Asks the program for the effective configuration of every pod that runs it.
pub(super) fn effective(
    manifests: &Manifests,
    pods: &[Pod<'_>],
    program: &Program,
    found: &mut Findings,
) -> anyhow::Result<BTreeMap<String, Effective>> {
    let mut configurations = BTreeMap::new();
    for pod in pods {
        let Some(container) = pod.program() else {
            continue;
        };
        let variables = container.environment(manifests);
        match program.configuration(&variables)? {
            Ok(configuration) => {
                unheard(&pod.id(), &variables, &configuration, found);
                configurations.insert(pod.id(), configuration);
            }
            Err(words) => found.add("configuration", pod.id(), words),
        }
    }
    Ok(configurations)
}

/// Names that the program leaves alone, because orchestrators inject such: here they are mistakes.
pub(crate) fn unheard(
    object: &str,
    variables: &BTreeMap<String, String>,
    configuration: &Effective,
    found: &mut Findings,
) {
    for name in variables.keys() {
        let key = name.strip_prefix(PREFIX).map(str::to_lowercase);
        let key = key.map(|key| key.replace("__", "."));
        if !key.is_some_and(|key| configuration.knows(&key)) {
            let problem = format!("variable {name} is no setting");
            found.add("configuration", object, problem);
        }
    }
}

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    for pod in &world.pods {
        no_secret_in_variables(pod, found);
        let Some(configuration) = world.configuration(pod) else {
            continue;
        };
        for (key, value) in configuration.iter() {
            // What the program masks is a secret, so it came from a variable.
            if value.as_str().is_some_and(|value| value.contains("***")) {
                found.add("secret", pod.id(), format!("{key} holds a secret"));
            }
        }
        if configuration.get("nats.manage_streams") != false {
            let problem = "a role is to leave the streams to the Job that may change them";
            found.add("configuration", pod.id(), problem);
        }
        public_address(world, pod, configuration, found);
    }
    for secret in world.manifests.of_kind("Secret") {
        found.add("secret", id_of(secret), "is rendered");
    }
}

fn no_secret_in_variables(pod: &Pod<'_>, found: &mut Findings) {
    for container in pod.containers() {
        let from = items(&container["envFrom"]).any(|source| !source["secretRef"].is_null());
        let single = items(&container["env"])
            .any(|variable| !variable["valueFrom"]["secretKeyRef"].is_null());
        if from || single {
            found.add("secret", pod.id(), "takes a Secret into its variables");
        }
    }
}

/// Stores call back where the Ingress listens.
fn public_address(
    world: &World<'_>,
    pod: &Pod<'_>,
    configuration: &Effective,
    found: &mut Findings,
) {
    let address = configuration.text("http.public_url");
    let host = address.strip_prefix("https://").unwrap_or_default();
    for ingress in world.manifests.of_kind("Ingress") {
        if !items(&ingress["spec"]["rules"]).any(|rule| rule["host"] == host) {
            let problem = format!("http.public_url is {address:?}, not {}", id_of(ingress));
            found.add("configuration", pod.id(), problem);
        }
    }
}
