//! Files that settings name are mounted there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Findings, World};
use crate::manifests::items;
use crate::pods::Pod;

const BROKER: &str = "nats.credentials_file";
const BROKER_AUTHORITY: &str = "nats.ca_file";
const DATABASE: &str = "database.password_file";
const KEYS: &str = "vault.keys_dir";

/// Settings that name a file which the command reads. An authority is needed where one is named.
fn needed(arguments: &[&str]) -> &'static [&'static str] {
    match arguments.first() {
        Some(&"serve") => &[BROKER, BROKER_AUTHORITY, DATABASE, KEYS],
        Some(&"streams") => &[BROKER, BROKER_AUTHORITY],
        Some(&"migrate") => &[DATABASE],
        _ => &[],
    }
}

/// The user of the broker that a command of the program needs, as `storelink broker users write` names it.
pub(crate) fn broker_user(arguments: &[&str]) -> Option<String> {
    match arguments {
        ["serve", "poller", "--platform", platform] => Some(format!("poller-{platform}")),
        ["serve", role] => Some((*role).to_owned()),
        ["streams", ..] => Some("administrator".to_owned()),
        _ => None,
    }
}

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    let mut users: BTreeMap<&str, String> = BTreeMap::new();
    for pod in &world.pods {
        let (Some(program), Some(configuration)) = (pod.program(), world.configuration(pod)) else {
            continue;
        };
        for key in needed(&program.arguments) {
            let path = configuration.text(key);
            match source(pod, program.container, path) {
                _ if path.is_empty() && *key == BROKER_AUTHORITY => {}
                None => {
                    let problem = format!("{key} is {path:?}, and no Secret is mounted there");
                    found.add("secret-mount", pod.id(), problem);
                }
                Some(secret) if *key == BROKER => {
                    let own = broker_user(&program.arguments).unwrap_or_default();
                    if secret != format!("storelink-broker-{own}") {
                        let problem = format!("has the broker user {secret}, not that of {own}");
                        found.add("broker-user", pod.id(), problem);
                    }
                    if let Some(other) = users.insert(secret, pod.id()) {
                        let problem = format!("has the broker user {secret} of {other}");
                        found.add("broker-user", pod.id(), problem);
                    }
                }
                Some(_) => {}
            }
        }
        let folder = configuration.text("data_dir");
        if program.role() == Some("connection-registry")
            && !is_writable(pod, program.container, folder)
        {
            let problem = format!("data_dir is {folder:?}, where nothing can be written");
            found.add("data-mount", pod.id(), problem);
        }
    }
}

/// The Secret that a path comes from.
fn source<'a>(pod: &Pod<'a>, container: &'a Value, path: &str) -> Option<&'a str> {
    let (volume, below) = items(&container["volumeMounts"]).find_map(|mount| {
        let below = below(path, mount["mountPath"].as_str()?)?;
        Some((pod.volume(&mount["name"])?, below))
    })?;
    let secret = &volume["secret"];
    let chosen = items(&secret["items"]).any(|item| item["path"] == below);
    // Without a choice every entry of the Secret is there: right for a folder alone.
    let there = chosen || (secret["items"].is_null() && below.is_empty());
    let name = secret["secretName"].as_str()?;
    (there && secret["optional"] != true).then_some(name)
}

fn is_writable(pod: &Pod<'_>, container: &Value, path: &str) -> bool {
    items(&container["volumeMounts"]).any(|mount| {
        let mounted = mount["mountPath"].as_str().unwrap_or_default();
        let volume = pod.volume(&mount["name"]).unwrap_or(&Value::Null);
        let kind = ["emptyDir", "persistentVolumeClaim"];
        below(path, mounted).is_some()
            && mount["readOnly"] != true
            && kind.iter().any(|kind| !volume[*kind].is_null())
    })
}

/// What is left of a path below a folder; empty for the folder itself.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    match path.strip_prefix(folder)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}
