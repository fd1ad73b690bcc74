//! The pods that workloads make.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::manifests::{Manifests, id_of, items};

static WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "Job"];
/// What stands for the name of a pod.
const POD_NAME: &str = "storelink-role-7c9f8d6b5c-x2x4z";

/// The pods of one workload.
pub(crate) struct Pod<'a> {
    pub(crate) workload: &'a Value,
    /// Runs until somebody ends it.
    pub(crate) lasting: bool,
}

/// A container that runs our program.
pub(crate) struct ProgramContainer<'a> {
    pub(crate) container: &'a Value,
    pub(crate) arguments: Vec<&'a str>,
}

/// The pods of every workload.
pub(crate) fn pods(manifests: &Manifests) -> Vec<Pod<'_>> {
    WORKLOADS
        .iter()
        .flat_map(|kind| manifests.of_kind(kind))
        .map(|workload| Pod {
            lasting: workload["kind"] != "Job",
            workload,
        })
        .collect()
}

impl<'a> Pod<'a> {
    pub(crate) fn id(&self) -> String {
        id_of(self.workload)
    }

    pub(crate) fn labels(&self) -> &'a Value {
        &self.workload["spec"]["template"]["metadata"]["labels"]
    }

    pub(crate) fn spec(&self) -> &'a Value {
        &self.workload["spec"]["template"]["spec"]
    }

    pub(crate) fn containers(&self) -> impl Iterator<Item = &'a Value> {
        items(&self.spec()["containers"])
    }

    pub(crate) fn selected_by(&self, selector: &Value) -> bool {
        selects(selector, self.labels())
    }

    /// Whether a container listens on the port of this name or number.
    pub(crate) fn has_port(&self, port: &Value) -> bool {
        self.containers()
            .any(|container| port_number(container, port).is_some())
    }

    /// The container of our program, if that is what runs here.
    pub(crate) fn program(&self) -> Option<ProgramContainer<'a>> {
        let container = self
            .containers()
            .find(|container| image_name(container) == "storelink")?;
        let arguments = items(&container["args"]).filter_map(Value::as_str);
        Some(ProgramContainer {
            container,
            arguments: arguments.collect(),
        })
    }

    pub(crate) fn volume(&self, name: &Value) -> Option<&'a Value> {
        items(&self.spec()["volumes"]).find(|volume| volume["name"] == *name)
    }
}

impl ProgramContainer<'_> {
    /// The role that is served, with the platform of a poller.
    pub(crate) fn role(&self) -> Option<&str> {
        match self.arguments.as_slice() {
            ["serve", role, ..] => Some(*role),
            _ => None,
        }
    }

    pub(crate) fn platform(&self) -> Option<&str> {
        match self.arguments.as_slice() {
            ["serve", "poller", "--platform", platform] => Some(*platform),
            _ => None,
        }
    }

    /// The variables of the process.
    pub(crate) fn environment(&self, manifests: &Manifests) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for source in items(&self.container["envFrom"]) {
            let name = source["configMapRef"]["name"].as_str().unwrap_or_default();
            let data = manifests.find("ConfigMap", name).map(|map| &map["data"]);
            for (key, value) in data.and_then(Value::as_object).into_iter().flatten() {
                variables.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
            }
        }
        for variable in items(&self.container["env"]) {
            let value = variable["value"].as_str().unwrap_or(POD_NAME);
            let name = variable["name"].as_str().unwrap_or_default();
            variables.insert(name.to_owned(), value.to_owned());
        }
        variables
    }
}

/// The number of a container's port that is called by name or number.
pub(crate) fn port_number(container: &Value, port: &Value) -> Option<u64> {
    items(&container["ports"])
        .find(|known| known["name"] == *port || known["containerPort"] == *port)
        .and_then(|known| known["containerPort"].as_u64())
}

/// `registry.example.com/storelink:0.1.0` is `storelink`.
fn image_name(container: &Value) -> &str {
    let image = container["image"].as_str().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split([':', '@']).next().unwrap_or_default()
}

/// Whether a label selector takes these labels. An empty one takes all.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| labels[key] == *value);
    let expressions = items(&selector["matchExpressions"]).all(|expression| {
        let label = &labels[expression["key"].as_str().unwrap_or_default()];
        expression["operator"] == "In" && items(&expression["values"]).any(|value| value == label)
    });
    equal && expressions
}
