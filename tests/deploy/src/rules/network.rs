//! Nobody talks to anybody unless he has to, and everybody reaches what he needs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Findings, World};
use crate::Effective;
use crate::manifests::{id_of, items};
use crate::pods::{Pod, selects};

/// Networks that no store is in. Without these a store's name could lead to the cluster's own.
const PRIVATE: [&str; 8] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// Roles that call stores.
const CALLERS: [&str; 4] = [
    "connection-registry",
    "poller",
    "stock-publisher",
    "price-publisher",
];

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    for policy in world.manifests.of_kind("NetworkPolicy") {
        selects_and_opens(world, policy, found);
    }
    for pod in &world.pods {
        is_closed_and_opened(world, pod, found);
        if let Some(configuration) = world.configuration(pod) {
            reaches(world, pod, configuration, found);
            internet(world, pod, configuration, found);
        }
    }
}

/// The policies that hold for a pod.
fn policies<'a>(world: &'a World<'_>, pod: &'a Pod<'_>) -> impl Iterator<Item = &'a Value> {
    let policies = world.manifests.of_kind("NetworkPolicy");
    policies.filter(|policy| pod.selected_by(&policy["spec"]["podSelector"]))
}

fn egress<'a>(world: &'a World<'_>, pod: &'a Pod<'_>) -> impl Iterator<Item = &'a Value> {
    policies(world, pod).flat_map(|policy| items(&policy["spec"]["egress"]))
}

/// A policy holds for somebody, each of its openings is bounded, and leads to somebody.
fn selects_and_opens(world: &World<'_>, policy: &Value, found: &mut Findings) {
    let selector = &policy["spec"]["podSelector"];
    let selected = || world.pods.iter().filter(|pod| pod.selected_by(selector));
    if selected().next().is_none() {
        found.add("policy", id_of(policy), "holds for no pod");
    }
    let incoming = items(&policy["spec"]["ingress"]).map(|opening| (opening, "from"));
    let outgoing = items(&policy["spec"]["egress"]).map(|opening| (opening, "to"));
    for (opening, side) in incoming.chain(outgoing) {
        if items(&opening[side]).next().is_none() || items(&opening["ports"]).next().is_none() {
            found.add("policy", id_of(policy), "opens every port or every peer");
        }
        for peer in items(&opening[side]) {
            let known = peers(world, peer);
            if known.as_ref().is_some_and(Vec::is_empty) {
                let problem = format!("opens {side} {peer}, which is no pod");
                found.add("policy", id_of(policy), problem);
            }
            let listening = match side {
                "from" => Some(selected().collect()),
                _ => known,
            };
            for port in items(&opening["ports"]).map(|port| &port["port"]) {
                let there = |pods: &Vec<&Pod<'_>>| pods.iter().any(|pod| pod.has_port(port));
                if !listening.as_ref().is_none_or(there) {
                    let problem = format!("opens port {port}, where nobody listens");
                    found.add("policy", id_of(policy), problem);
                }
            }
        }
    }
}

/// The pods of this namespace that a peer means; none where it means another namespace or addresses.
fn peers<'a>(world: &'a World<'_>, peer: &Value) -> Option<Vec<&'a Pod<'a>>> {
    let elsewhere = !peer["ipBlock"].is_null() || !peer["namespaceSelector"].is_null();
    let here = world
        .pods
        .iter()
        .filter(|pod| selects(&peer["podSelector"], pod.labels()));
    (!elsewhere).then(|| here.collect())
}

fn is_closed_and_opened(world: &World<'_>, pod: &Pod<'_>, found: &mut Findings) {
    let denies = |policy: &Value| {
        let spec = &policy["spec"];
        let both = items(&spec["policyTypes"]).count() == 2;
        both && spec["ingress"].is_null() && spec["egress"].is_null()
    };
    if !policies(world, pod).any(denies) {
        found.add("policy", pod.id(), "is open: no policy denies by default");
    }
    if policies(world, pod).all(denies) {
        found.add("policy", pod.id(), "is closed: no policy opens anything");
    }
    let asks_names = egress(world, pod)
        .any(|opening| items(&opening["ports"]).any(|port| port["port"].as_u64() == Some(53)));
    if !asks_names {
        found.add("policy", pod.id(), "cannot look names up");
    }
}

/// What the configuration names is open.
fn reaches(world: &World<'_>, pod: &Pod<'_>, configuration: &Effective, found: &mut Findings) {
    let mut needed = vec!["nats.url", "database.url"];
    if !configuration.text("telemetry.otlp_endpoint").is_empty() {
        needed.push("telemetry.otlp_endpoint");
    }
    for key in needed {
        let port = configuration.port(key);
        let open = egress(world, pod)
            // What leads to the internet leads to no broker.
            .filter(|opening| {
                !items(&opening["to"]).any(|peer| is_internet(&peer["ipBlock"]["cidr"]))
            })
            .flat_map(|opening| items(&opening["ports"]))
            .any(|open| open["port"].as_u64() == port.map(u64::from));
        if port.is_none() || !open {
            let problem = format!("{key} leads to port {port:?}, which no policy opens");
            found.add("policy", pod.id(), problem);
        }
    }
}

/// Roles that call stores reach the internet on the ports of the setting, and private networks never.
fn internet(world: &World<'_>, pod: &Pod<'_>, configuration: &Effective, found: &mut Findings) {
    let mut ports = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for opening in egress(world, pod) {
        let blocks = || items(&opening["to"]).map(|peer| &peer["ipBlock"]);
        if blocks().any(|block| is_internet(&block["cidr"])) {
            ports.extend(items(&opening["ports"]).filter_map(|port| port["port"].as_u64()));
            let excepted = blocks().flat_map(|block| items(&block["except"]));
            refused.extend(excepted.filter_map(Value::as_str));
        }
    }
    let program = pod.program();
    let role = program.as_ref().and_then(|program| program.role());
    let calls = role.is_some_and(|role| CALLERS.contains(&role));
    let allowed = items(configuration.get("outbound.ports")).filter_map(Value::as_u64);
    let wanted: BTreeSet<u64> = if calls {
        allowed.collect()
    } else {
        BTreeSet::new()
    };
    if ports != wanted {
        let problem = format!("reaches the internet on {ports:?}, outbound.ports says {wanted:?}");
        found.add("internet", pod.id(), problem);
    }
    for network in PRIVATE.iter().filter(|network| !refused.contains(*network)) {
        if calls {
            found.add("internet", pod.id(), format!("reaches {network}"));
        }
    }
}

fn is_internet(cidr: &Value) -> bool {
    cidr == "0.0.0.0/0" || cidr == "::/0"
}
