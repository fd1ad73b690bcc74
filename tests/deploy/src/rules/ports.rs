//! Ports and paths are those that the program serves.

use serde_json::{Value, json};

use super::{Findings, World};
use crate::manifests::{id_of, items};
use crate::pods::{Pod, port_number};

/// Probe and the path that it has to ask. Liveness asks for nothing but a sign of life.
const PROBES: [(&str, &str); 3] = [
    ("startupProbe", "/livez"),
    ("livenessProbe", "/livez"),
    ("readinessProbe", "/readyz"),
];

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    for pod in &world.pods {
        probes_have_ports(pod, found);
        program_listens(world, pod, found);
    }
    services(world, found);
    monitors(world, found);
}

fn probes_have_ports(pod: &Pod<'_>, found: &mut Findings) {
    for container in pod.containers() {
        for (probe, _) in PROBES {
            for kind in ["httpGet", "tcpSocket"] {
                let port = &container[probe][kind]["port"];
                if !port.is_null() && port_number(container, port).is_none() {
                    let problem = format!("{probe} asks port {port}, which is not there");
                    found.add("probe", pod.id(), problem);
                }
            }
        }
    }
}

/// The container's ports are the ones of the configuration, and the probes ask what is served there.
fn program_listens(world: &World<'_>, pod: &Pod<'_>, found: &mut Findings) {
    let (Some(program), Some(configuration)) = (pod.program(), world.configuration(pod)) else {
        return;
    };
    let Some(role) = program.role() else {
        return;
    };
    let mut listeners = vec![("ops", "ops.listen")];
    if role == "connection-registry" {
        listeners.push(("http", "http.listen"));
    }
    for (name, key) in listeners {
        let declared = port_number(program.container, &json!(name));
        let listening = configuration.port(key).map(u64::from);
        if declared.is_none() || declared != listening {
            let problem = format!("port {name} is {declared:?}, {key} says {listening:?}");
            found.add("port", pod.id(), problem);
        }
        if configuration.text(key).starts_with("127.") {
            found.add("port", pod.id(), format!("{key} is reached by nobody"));
        }
    }
    let ops = configuration.port("ops.listen").map(u64::from);
    for (probe, path) in PROBES {
        let asked = &program.container[probe]["httpGet"];
        if asked["path"] != path {
            let problem = format!("{probe} asks {}, not {path}", asked["path"]);
            found.add("probe", pod.id(), problem);
        }
        if port_number(program.container, &asked["port"]) != ops {
            let problem = format!("{probe} asks port {}, not ops", asked["port"]);
            found.add("probe", pod.id(), problem);
        }
    }
}

fn services(world: &World<'_>, found: &mut Findings) {
    for service in world.manifests.of_kind("Service") {
        let selector = json!({ "matchLabels": service["spec"]["selector"] });
        for port in items(&service["spec"]["ports"]) {
            let target = match &port["targetPort"] {
                Value::Null => &port["port"],
                target => target,
            };
            let mut selected = world.pods.iter().filter(|pod| pod.selected_by(&selector));
            if !selected.all(|pod| pod.has_port(target)) {
                let problem = format!("port {target} is not one of its pods'");
                found.add("service-port", id_of(service), problem);
            }
        }
    }
}

fn monitors(world: &World<'_>, found: &mut Findings) {
    for monitor in world.manifests.of_kind("PodMonitor") {
        let selector = &monitor["spec"]["selector"];
        for endpoint in items(&monitor["spec"]["podMetricsEndpoints"]) {
            let lasting = world.pods.iter().filter(|pod| pod.lasting);
            for pod in lasting.filter(|pod| pod.selected_by(selector)) {
                let port = &endpoint["port"];
                let is_ops = pod.has_port(port) && *port == "ops";
                if !is_ops || endpoint["path"] != "/metrics" {
                    let problem = format!("asks {port} {} of {}", endpoint["path"], pod.id());
                    found.add("metrics", id_of(monitor), problem);
                }
            }
        }
    }
}
