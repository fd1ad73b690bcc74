//! `deploy/compose.yaml`, by the same measure as what runs on Kubernetes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use crate::manifests::items;
use crate::rules::{Finding, Findings, broker_user, unheard, wanted};
use crate::{Effective, Facts, Program};

/// The services of a compose file, with its variables filled in.
#[derive(Debug, Clone)]
pub struct Compose {
    file: Value,
    /// Where `deploy/secrets.sh` wrote.
    folder: String,
}

impl Compose {
    /// Reads a compose file with the secrets of a folder that `deploy/secrets.sh` filled.
    ///
    /// # Errors
    /// It is not YAML.
    pub fn parse(text: &str, folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.display().to_string();
        let text = filled_in(text, &folder);
        let mut file: serde_norway::Value = serde_norway::from_str(&text)?;
        // A merge may bring along another one.
        loop {
            let before = file.clone();
            file.apply_merge()?;
            if file == before {
                break;
            }
        }
        let file = serde_json::to_value(file).context("compose.yaml")?;
        Ok(Self { file, folder })
    }

    /// The file, to be changed.
    pub fn file_mut(&mut self) -> &mut Value {
        &mut self.file
    }

    fn services(&self) -> impl Iterator<Item = (&str, &Value)> {
        let services = self.file["services"].as_object().into_iter().flatten();
        services.map(|(name, service)| (name.as_str(), service))
    }

    fn environment(&self, service: &Value) -> anyhow::Result<BTreeMap<String, String>> {
        let mut variables = BTreeMap::new();
        for path in items(&service["env_file"]).filter_map(Value::as_str) {
            let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
            let lines = text.lines().filter_map(|line| line.split_once('='));
            variables.extend(lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        for (name, value) in service["environment"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            variables.insert(name.clone(), value);
        }
        Ok(variables)
    }
}

/// Every mistake in a compose file.
///
/// # Errors
/// The program cannot be started, or a file of variables is missing.
pub fn mistakes(
    compose: &Compose,
    program: &Program,
    facts: &Facts,
) -> anyhow::Result<Vec<Finding>> {
    let mut found = Findings::default();
    let mut running = Vec::new();
    for (name, service) in compose.services() {
        depends_on_what_is_there(compose, name, service, &mut found);
        secrets_are_there(compose, name, service, &mut found);
        let image = service["image"].as_str().unwrap_or_default();
        let Some(tag) = image.strip_prefix("storelink:") else {
            continue;
        };
        if tag != facts.version {
            found.add("image", name, format!("{image} is not {}", facts.version));
        }
        let command = items(&service["command"]).filter_map(Value::as_str);
        running.push(command.map(str::to_owned).collect::<Vec<_>>());
        let variables = compose.environment(service)?;
        match program.configuration(&variables)? {
            Ok(configuration) => {
                unheard(name, &variables, &configuration, &mut found);
                fits(compose, name, service, &configuration, &mut found);
            }
            Err(words) => found.add("configuration", name, words),
        }
    }
    let mut expected = wanted(facts);
    expected.sort();
    running.sort();
    if running != expected {
        let problem = format!("services run {running:?}, the program does {expected:?}");
        found.add("role", "compose.yaml", problem);
    }
    Ok(found.into_vec())
}

fn depends_on_what_is_there(compose: &Compose, name: &str, service: &Value, found: &mut Findings) {
    let needed = service["depends_on"].as_object().into_iter().flatten();
    for (other, condition) in needed {
        let other = &compose.file["services"][other];
        let condition = &condition["condition"];
        // Nothing is ever healthy that has no check of its health.
        let can_come = match condition.as_str() {
            Some("service_healthy") => !other["healthcheck"].is_null(),
            Some("service_completed_successfully") => other["restart"] == "no",
            _ => false,
        };
        if !can_come {
            found.add("reference", name, format!("waits for {condition} in vain"));
        }
    }
}

fn secrets_are_there(compose: &Compose, name: &str, service: &Value, found: &mut Findings) {
    for (secret, _) in secrets(service) {
        let file = compose.file["secrets"][secret]["file"].as_str();
        if !file.is_some_and(|file| Path::new(file).is_file()) {
            let problem = format!("secret {secret} has no file in {}", compose.folder);
            found.add("secret-mount", name, problem);
        }
    }
}

/// Name and file name of each secret of a service.
fn secrets(service: &Value) -> impl Iterator<Item = (&str, &str)> {
    items(&service["secrets"]).filter_map(|secret| match secret.as_str() {
        Some(name) => Some((name, name)),
        None => Some((secret["source"].as_str()?, secret["target"].as_str()?)),
    })
}

/// The broker's user is that of the role, and no other.
fn has_own_user(name: &str, service: &Value, configuration: &Effective, found: &mut Findings) {
    let command: Vec<&str> = items(&service["command"])
        .filter_map(Value::as_str)
        .collect();
    let Some(user) = broker_user(&command) else {
        return;
    };
    let path = configuration.text("nats.credentials_file");
    let target = path.strip_prefix("/run/secrets/").unwrap_or_default();
    let wanted = format!("broker-{user}");
    let mounted = secrets(service).find(|(_, known)| *known == target);
    match mounted {
        None => found.add("secret-mount", name, format!("{path:?} is not mounted")),
        Some((secret, _)) if secret != wanted => {
            let problem = format!("has the broker user of {secret}, not of {wanted}");
            found.add("broker-user", name, problem);
        }
        Some(_) => {}
    }
}

/// Files are mounted where the configuration looks, and the named servers are there.
fn fits(
    compose: &Compose,
    name: &str,
    service: &Value,
    configuration: &Effective,
    found: &mut Findings,
) {
    has_own_user(name, service, configuration, found);
    let serves = items(&service["command"]).any(|word| word == "serve");
    let password = configuration.text("database.password_file");
    let secret = password.strip_prefix("/run/secrets/").unwrap_or_default();
    let uses_database = items(&service["command"]).any(|word| word == "serve" || word == "migrate");
    if uses_database && !secrets(service).any(|(_, known)| known == secret) {
        found.add("secret-mount", name, format!("{password:?} is not mounted"));
    }
    let keys = format!(":{}:ro", configuration.text("vault.keys_dir"));
    let mounts = |suffix: &str| {
        let volumes = items(&service["volumes"]).filter_map(Value::as_str);
        volumes.filter(|volume| volume.ends_with(suffix)).count() == 1
    };
    if serves && !mounts(&keys) {
        found.add("secret-mount", name, "the keys are not mounted");
    }
    let registry = items(&service["command"]).any(|word| word == "connection-registry");
    let data = format!(":{}", configuration.text("data_dir"));
    if registry && !mounts(&data) {
        found.add("data-mount", name, "data_dir is not mounted");
    }
    for key in ["nats.url", "database.url"] {
        let address = configuration.text(key);
        let place = address.rsplit(['/', '@']).find(|part| part.contains(':'));
        let host = place
            .and_then(|place| place.split(':').next())
            .unwrap_or_default();
        if compose.file["services"][host].is_null() {
            found.add(
                "reference",
                name,
                format!("{key} leads to {host}, which is not there"),
            );
        }
    }
}

/// `${NAME}` and its forms with a default or a message; one variable alone is known.
fn filled_in(text: &str, folder: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        let value = match name.split(':').next() {
            Some("STORELINK_FOLDER") => folder,
            Some("STORELINK_USER") => "10001:10001",
            _ => "",
        };
        filled.push_str(value);
        filled.push_str(rest);
    }
    filled
}
