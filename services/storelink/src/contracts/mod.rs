//! What is generated from the types: schemas, AsyncAPI, OpenAPI and pages of the reference.

mod asyncapi;
mod pages;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use storelink_events::contract::public_events;

use crate::cli::ContractsAction;

/// `storelink contracts …`
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) fn run(action: &ContractsAction) -> anyhow::Result<()> {
    match action {
        ContractsAction::Write { root } => {
            for (path, text) in files()? {
                write(&root.join(path), &text)?;
            }
        }
        ContractsAction::Check { root } => {
            let different = differences(root)?;
            for path in &different {
                println!("{} is not what the types say", path.display());
            }
            anyhow::ensure!(
                different.is_empty(),
                "run `make contracts` and look at the difference"
            );
        }
    }
    Ok(())
}

/// The files that differ from what would be written.
pub(crate) fn differences(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let wanted = files()?.into_iter();
    let differs = |(path, text): (PathBuf, String)| {
        let found = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        (found != text).then_some(path)
    };
    Ok(wanted.filter_map(differs).collect())
}

/// Every generated file by its path below the root.
fn files() -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for event in public_events() {
        let path = format!("proto-schemas/{}.schema.json", event.event_type);
        files.insert(path.into(), json(event.schema.as_value())?);
    }
    let asyncapi = yaml::to_string(&asyncapi::document())?;
    files.insert("proto-schemas/asyncapi.yaml".into(), asyncapi);
    let openapi: serde_json::Value =
        serde_json::from_str(&storelink_connection_registry::openapi())?;
    files.insert(
        "proto-schemas/openapi.yaml".into(),
        yaml::to_string(&openapi)?,
    );
    files.extend(pages::all());
    Ok(files)
}

fn json(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn committed_contracts_are_what_the_types_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let different = super::differences(&root).unwrap();
        assert!(different.is_empty(), "run `make contracts`: {different:?}");
    }
}
