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
                secret_values(&pod.id(), &variables, &configuration, found);
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
        if !key_of(name).is_some_and(|key| configuration.knows(&key)) {
            let problem = format!("variable {name} is no setting");
            found.add("configuration", object, problem);
        }
    }
}

/// Values that the program masks as a whole, and addresses with a password in them.
fn secret_values(
    object: &str,
    variables: &BTreeMap<String, String>,
    configuration: &Effective,
    found: &mut Findings,
) {
    for (name, value) in variables {
        let is_masked = key_of(name).is_some_and(|key| configuration.text(&key) == "***");
        let place = value.split_once("://").map(|(_, place)| place);
        let user = place.and_then(|place| place.rsplit_once('@'));
        let has_password = user.is_some_and(|(user, _)| user.contains(':'));
        if is_masked || has_password || value.contains("password=") {
            found.add("secret", object, format!("variable {name} holds a secret"));
        }
    }
}

/// `STORELINK_NATS__URL` is `nats.url`.
fn key_of(variable: &str) -> Option<String> {
    let key = variable.strip_prefix(PREFIX)?;
    Some(key.to_lowercase().replace("__", "."))
}

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    for pod in &world.pods {
        no_secret_in_variables(pod, found);
        let Some(configuration) = world.configuration(pod) else {
            continue;
        };
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
