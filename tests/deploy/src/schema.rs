//! The schemas of the Kubernetes API, and our own of custom resources.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::rules::Finding;
use crate::{Manifests, repository};

/// The oldest and the newest version of Kubernetes that is supported.
pub const VERSIONS: [&str; 2] = ["1.29", "1.37"];

/// What the schemas of [`VERSIONS`] refuse.
///
/// # Errors
/// The schemas cannot be had, or the check does not run.
pub fn schema_mistakes(manifests: &Manifests) -> anyhow::Result<Vec<Finding>> {
    let packages = Command::new(repository("deploy/local/kubernetes-schemas.sh"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        packages.status.success(),
        "the schemas of Kubernetes are not here"
    );
    let packages = String::from_utf8(packages.stdout)?;
    let mut check = Command::new("python3")
        .arg(repository("tests/deploy/schema/validate.py"))
        .args(VERSIONS)
        .env("PYTHONPATH", packages.trim())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("python3 cannot be started")?;
    // Read whole before anything is printed, so neither side waits for the other.
    let mut input = check.stdin.take().context("no input")?;
    input.write_all(&serde_json::to_vec(manifests.objects())?)?;
    drop(input);
    let answer = check.wait_with_output()?;
    ensure!(answer.status.success(), "the check of the schemas failed");
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    String::from_utf8(answer.stdout)?
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line)?;
            Ok(Finding {
                rule: "schema",
                object: text(&line, "object"),
                problem: text(&line, "problem"),
            })
        })
        .collect()
}
