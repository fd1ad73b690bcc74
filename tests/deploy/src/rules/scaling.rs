//! Autoscalers find their workload, own its number, and look at a consumer that exists.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Findings, World};
use crate::manifests::{id_of, items};
use crate::pods::Pod;

/// Where the file of the broker's users puts all streams.
const ACCOUNT: &str = "STORELINK";

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let kinds = ["HorizontalPodAutoscaler", "ScaledObject"].into_iter();
    for scaler in kinds.flat_map(|kind| world.manifests.of_kind(kind)) {
        let target = &scaler["spec"]["scaleTargetRef"];
        let kind = target["kind"].as_str().unwrap_or("Deployment");
        let id = format!("{kind}/{}", target["name"].as_str().unwrap_or_default());
        let Some(pod) = world.pods.iter().find(|pod| pod.id() == id) else {
            found.add("autoscaler", id_of(scaler), format!("{id} is not there"));
            continue;
        };
        if !pod.workload["spec"]["replicas"].is_null() {
            let problem = format!("replicas is set, and {} owns it", id_of(scaler));
            found.add("autoscaler", pod.id(), problem);
        }
        if let Some(other) = owners.insert(id, id_of(scaler)) {
            found.add(
                "autoscaler",
                id_of(scaler),
                format!("{other} scales it, too"),
            );
        }
        for trigger in items(&scaler["spec"]["triggers"]) {
            consumer(world, scaler, pod, &trigger["metadata"], found);
        }
    }
}

fn consumer(
    world: &World<'_>,
    scaler: &Value,
    pod: &Pod<'_>,
    trigger: &Value,
    found: &mut Findings,
) {
    let text = |key: &str| trigger[key].as_str().unwrap_or_default().to_owned();
    let (stream, consumer) = (text("stream"), text("consumer"));
    if !world
        .facts
        .consumers
        .contains(&(stream.clone(), consumer.clone()))
    {
        let problem = format!("{consumer} on {stream} is not in the table of the streams");
        found.add("consumer", id_of(scaler), problem);
    }
    if text("account") != ACCOUNT {
        let problem = format!("looks at the account {:?}, not {ACCOUNT}", text("account"));
        found.add("consumer", id_of(scaler), problem);
    }
    let program = pod.program();
    let platform = program.as_ref().and_then(|program| program.platform());
    if platform.is_some_and(|platform| consumer != format!("poller-{platform}")) {
        let problem = format!("looks at {consumer}, which {} does not read", pod.id());
        found.add("consumer", id_of(scaler), problem);
    }
}
