//! What `kubectl kustomize` makes of an overlay.

use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::repository;

/// The text that kubectl renders for an overlay of `deploy/kustomize/overlays`.
///
/// # Errors
/// kubectl is missing, or refuses or warns.
pub fn render(overlay: &str) -> anyhow::Result<String> {
    let folder = repository("deploy/kustomize/overlays").join(overlay);
    let rendered = Command::new("kubectl")
        .arg("kustomize")
        .arg(&folder)
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow::anyhow!(
                "kubectl is not on PATH: install 1.29 or newer, it renders and checks deploy/kustomize"
            ),
            _ => anyhow::Error::new(error).context("kubectl cannot be started"),
        })?;
    let said = String::from_utf8_lossy(&rendered.stderr);
    ensure!(
        rendered.status.success(),
        "overlay {overlay} does not render: {said}"
    );
    ensure!(
        said.is_empty(),
        "kubectl warns about overlay {overlay}: {said}"
    );
    Ok(String::from_utf8(rendered.stdout)?)
}

/// The objects of one rendered overlay.
#[derive(Debug, Clone)]
pub struct Manifests {
    objects: Vec<Value>,
}

impl Manifests {
    /// Reads what was rendered.
    ///
    /// # Errors
    /// It is not YAML.
    pub fn parse(rendered: &str) -> anyhow::Result<Self> {
        use serde::Deserialize as _;
        let objects = serde_norway::Deserializer::from_str(rendered)
            .map(Value::deserialize)
            .collect::<Result<Vec<Value>, _>>()
            .context("what was rendered is not YAML")?;
        Ok(Self { objects })
    }

    /// All objects.
    #[must_use]
    pub fn objects(&self) -> &[Value] {
        &self.objects
    }

    /// The objects of a kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects
            .iter()
            .filter(move |object| object["kind"] == kind)
    }

    /// The object of this kind and name.
    #[must_use]
    pub fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects
            .iter()
            .find(|object| object["kind"] == kind && name_of(object) == name)
    }

    /// The object of this kind and name, to be changed.
    pub fn find_mut(&mut self, kind: &str, name: &str) -> Option<&mut Value> {
        self.objects
            .iter_mut()
            .find(|object| object["kind"] == kind && name_of(object) == name)
    }

    /// Takes the object of this kind and name away.
    pub fn remove(&mut self, kind: &str, name: &str) {
        self.objects
            .retain(|object| !(object["kind"] == kind && name_of(object) == name));
    }
}

/// The name in an object's metadata.
#[must_use]
pub fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// `Kind/name`, as findings name an object.
pub(crate) fn id_of(object: &Value) -> String {
    format!(
        "{}/{}",
        object["kind"].as_str().unwrap_or("?"),
        name_of(object)
    )
}

/// The items of a list; nothing where there is none.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
