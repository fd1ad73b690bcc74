//! Pods have no more rights and no more room than they need.

use serde_json::{Value, json};

use super::{Findings, World};
use crate::manifests::id_of;
use crate::pods::Pod;

/// What the program takes for its end at most, and a second for the rest.
const LONGEST_END: u64 = 29;

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    for pod in &world.pods {
        pod_rights(pod, found);
        for container in pod.containers() {
            container_rights(&pod.id(), container, found);
            room(&pod.id(), container, found);
            image(world, pod, container, found);
        }
        end(pod, found);
    }
    for kind in ["ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"] {
        for rights in world.manifests.of_kind(kind) {
            found.add("rights", id_of(rights), "no role calls the Kubernetes API");
        }
    }
    for namespace in world.manifests.of_kind("Namespace") {
        let level = &namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
        if level != "restricted" {
            found.add(
                "rights",
                id_of(namespace),
                "does not enforce restricted pods",
            );
        }
    }
}

fn pod_rights(pod: &Pod<'_>, found: &mut Findings) {
    let spec = pod.spec();
    let security = &spec["securityContext"];
    let wanted = [
        ("no token", spec["automountServiceAccountToken"] == false),
        ("no Service variables", spec["enableServiceLinks"] == false),
        ("no user of the system", security["runAsNonRoot"] == true),
        (
            "a user of its own",
            security["runAsUser"].as_u64() > Some(0),
        ),
        (
            "the runtime's system calls alone",
            security["seccompProfile"]["type"] == "RuntimeDefault",
        ),
        (
            "no part of the host",
            ["hostNetwork", "hostPID", "hostIPC"]
                .iter()
                .all(|key| spec[*key] != true),
        ),
    ];
    for (what, holds) in wanted {
        if !holds {
            found.add("rights", pod.id(), format!("is to have {what}"));
        }
    }
    if pod.program().is_some() && security["runAsUser"].as_u64() < Some(10_000) {
        found.add("rights", pod.id(), "runs as a user of the system");
    }
}

fn container_rights(pod: &str, container: &Value, found: &mut Findings) {
    let security = &container["securityContext"];
    let wanted = [
        ("allowPrivilegeEscalation", json!(false)),
        ("readOnlyRootFilesystem", json!(true)),
        ("runAsNonRoot", json!(true)),
        ("privileged", json!(false)),
    ];
    for (key, value) in wanted {
        if security[key] != value {
            found.add("rights", pod, format!("{key} is to be {value}"));
        }
    }
    if security["capabilities"] != json!({ "drop": ["ALL"] }) {
        found.add("rights", pod, "is to drop every capability and add none");
    }
}

fn room(pod: &str, container: &Value, found: &mut Findings) {
    for bound in ["requests", "limits"] {
        for what in ["cpu", "memory", "ephemeral-storage"] {
            if container["resources"][bound][what].is_null() {
                found.add("room", pod, format!("{bound} say nothing about {what}"));
            }
        }
    }
}

fn image(world: &World<'_>, pod: &Pod<'_>, container: &Value, found: &mut Findings) {
    let image = container["image"].as_str().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map_or("", |(_, tag)| tag);
    if image.contains("@sha256:") {
        return;
    }
    if tag.is_empty() || tag == "latest" {
        found.add("image", pod.id(), format!("{image} may change at any time"));
    } else if pod.program().is_some() && tag != world.facts.version {
        let problem = format!("{image} is not this version, {}", world.facts.version);
        found.add("image", pod.id(), problem);
    }
}

/// The signal comes behind the wait that lets Services forget the pod.
fn end(pod: &Pod<'_>, found: &mut Findings) {
    let Some(program) = pod.program().filter(|_| pod.lasting) else {
        return;
    };
    let wait = program.container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
    let grace = pod.spec()["terminationGracePeriodSeconds"].as_u64();
    if wait.is_none() || grace < wait.map(|wait| wait + LONGEST_END) {
        let problem = format!("has {grace:?} s for its end, {wait:?} of them before the signal");
        found.add("end", pod.id(), problem);
    }
}
