//! What names or selects something finds it.

use serde_json::{Value, json};

use super::{Findings, World};
use crate::manifests::{id_of, items, name_of};
use crate::pods::Pod;

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    for pod in &world.pods {
        own_selector(world, pod, found);
        disruption_budget(world, pod, found);
        named_objects(world, pod, found);
    }
    for kind in ["Service", "PodDisruptionBudget", "PodMonitor"] {
        for object in world.manifests.of_kind(kind) {
            let selector = match kind {
                // A Service writes the labels without a word around them.
                "Service" => json!({ "matchLabels": object["spec"]["selector"] }),
                _ => object["spec"]["selector"].clone(),
            };
            if !world.pods.iter().any(|pod| pod.selected_by(&selector)) {
                found.add("selector", id_of(object), "selects no pod");
            }
        }
    }
    for ingress in world.manifests.of_kind("Ingress") {
        ingress_backends(world, ingress, found);
    }
}

/// A workload finds its own pods, and nobody else's.
fn own_selector(world: &World<'_>, pod: &Pod<'_>, found: &mut Findings) {
    let selector = &pod.workload["spec"]["selector"];
    if !pod.lasting {
        return;
    }
    if selector["matchLabels"].is_null() || !pod.selected_by(selector) {
        found.add("selector", pod.id(), "does not select its own pods");
    }
    let others = world.pods.iter().filter(|other| other.id() != pod.id());
    for other in others.filter(|other| other.selected_by(selector)) {
        found.add("selector", pod.id(), format!("selects {}", other.id()));
    }
}

fn disruption_budget(world: &World<'_>, pod: &Pod<'_>, found: &mut Findings) {
    let budgets = world.manifests.of_kind("PodDisruptionBudget");
    let covering = budgets.filter(|budget| pod.selected_by(&budget["spec"]["selector"]));
    let count = covering.count();
    if pod.lasting && count != 1 {
        let problem = format!("{count} disruption budgets cover it");
        found.add("disruption-budget", pod.id(), problem);
    }
}

fn named_objects(world: &World<'_>, pod: &Pod<'_>, found: &mut Findings) {
    let mut named: Vec<(&str, &Value)> = Vec::new();
    if !pod.spec()["serviceAccountName"].is_null() {
        named.push(("ServiceAccount", &pod.spec()["serviceAccountName"]));
    }
    for container in pod.containers() {
        let sources = items(&container["envFrom"]);
        named.extend(sources.map(|source| ("ConfigMap", &source["configMapRef"]["name"])));
        for mount in items(&container["volumeMounts"]) {
            let claims = items(&pod.workload["spec"]["volumeClaimTemplates"]);
            let claimed = claims.map(name_of).any(|name| mount["name"] == name);
            if pod.volume(&mount["name"]).is_none() && !claimed {
                let problem = format!("mounts {}, which is no volume", mount["name"]);
                found.add("reference", pod.id(), problem);
            }
        }
    }
    for volume in items(&pod.spec()["volumes"]) {
        let projected = items(&volume["projected"]["sources"]);
        let maps = [&volume["configMap"]]
            .into_iter()
            .chain(projected.map(|source| &source["configMap"]));
        named.extend(
            maps.filter(|map| !map.is_null())
                .map(|map| ("ConfigMap", &map["name"])),
        );
    }
    for (kind, name) in named {
        let name = name.as_str().unwrap_or_default();
        if world.manifests.find(kind, name).is_none() {
            found.add("reference", pod.id(), format!("{kind}/{name} is not there"));
        }
    }
}

fn ingress_backends(world: &World<'_>, ingress: &Value, found: &mut Findings) {
    let spec = &ingress["spec"];
    for rule in items(&spec["rules"]) {
        let host = &rule["host"];
        if !items(&spec["tls"]).any(|tls| items(&tls["hosts"]).any(|known| known == host)) {
            found.add("ingress", id_of(ingress), format!("{host} has no TLS"));
        }
        for path in items(&rule["http"]["paths"]) {
            let backend = &path["backend"]["service"];
            let name = backend["name"].as_str().unwrap_or_default();
            let service = world.manifests.find("Service", name);
            let port = &backend["port"];
            let there = service.is_some_and(|service| {
                items(&service["spec"]["ports"])
                    .any(|known| known["name"] == port["name"] || known["port"] == port["number"])
            });
            if !there {
                let problem = format!("leads to {name} {port}, which is not there");
                found.add("ingress", id_of(ingress), problem);
            }
        }
    }
}
