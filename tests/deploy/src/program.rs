//! What the program says about itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::repository;

/// Names a built program; without it the one beside the test is asked.
const VARIABLE: &str = "STORELINK_PROGRAM";

/// The built program.
pub struct Program {
    path: PathBuf,
}

/// What of the program manifests have to fit.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its version.
    pub version: String,
    /// What `serve` takes.
    pub roles: Vec<String>,
    /// The platforms of the poller.
    pub platforms: Vec<String>,
    /// Stream and durable consumer, those of platforms for each platform.
    pub consumers: Vec<(String, String)>,
}

/// A configuration as `config check` prints it: dotted key and value.
#[derive(Debug, Clone, Default)]
pub struct Effective(BTreeMap<String, Value>);

impl Program {
    /// The program that was built beside this test, or the one that `STORELINK_PROGRAM` names.
    ///
    /// # Errors
    /// There is none.
    pub fn built() -> anyhow::Result<Self> {
        let path = match std::env::var_os(VARIABLE) {
            Some(path) => PathBuf::from(path),
            None => beside_this_test().context("the folder of this test is not known")?,
        };
        ensure!(
            path.is_file(),
            "{} is missing: cargo build -p storelink",
            path.display()
        );
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Asks for everything that does not depend on a configuration.
    ///
    /// # Errors
    /// It does not answer as expected.
    pub fn facts(&self) -> anyhow::Result<Facts> {
        let version = self.says(&["--version"])?;
        let version = version.trim().strip_prefix("storelink ");
        let help = self.says(&["serve", "--help"])?;
        let roles = between(&help, "[possible values: ", "]").context("no roles in the help")?;
        let refusal = self.ask(&["serve", "poller", "--platform", "unknown"], &[])?;
        let refusal = String::from_utf8(refusal.stderr)?;
        let (_, platforms) = refusal
            .split_once("known are ")
            .with_context(|| format!("no platforms in: {refusal}"))?;
        let platforms = words(platforms.trim_end());
        let table = self.says(&["streams", "print"])?;
        Ok(Facts {
            version: version.context("no version")?.to_owned(),
            consumers: consumers(&table, &platforms)?,
            roles: words(roles),
            platforms,
        })
    }

    /// The configuration that these variables make; else the program's words about them.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn configuration(
        &self,
        variables: &BTreeMap<String, String>,
    ) -> anyhow::Result<Result<Effective, String>> {
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = self.ask(&["config", "check"], &variables)?;
        if !answer.status.success() {
            let words = String::from_utf8_lossy(&answer.stderr);
            return Ok(Err(words.trim().to_owned()));
        }
        Ok(Ok(Effective::parse(&String::from_utf8(answer.stdout)?)?))
    }

    fn says(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let answer = self.ask(arguments, &[])?;
        let words = String::from_utf8_lossy(&answer.stderr);
        ensure!(answer.status.success(), "{arguments:?}: {words}");
        Ok(String::from_utf8(answer.stdout)?)
    }

    fn ask(&self, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Output> {
        Command::new(&self.path)
            .args(arguments)
            // Neither a configuration file of the caller nor his variables count.
            .current_dir(repository("tests/deploy"))
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .with_context(|| format!("{} cannot be started", self.path.display()))
    }
}

impl Effective {
    fn parse(printed: &str) -> anyhow::Result<Self> {
        let mut section = String::new();
        let mut values = BTreeMap::new();
        for line in printed.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                section = format!("{name}.");
            } else if let Some((key, value)) = line.split_once(" = ") {
                // Texts, numbers and lists are written alike in TOML and JSON.
                let value = serde_json::from_str(value).with_context(|| line.to_owned())?;
                values.insert(format!("{section}{key}"), value);
            }
        }
        Ok(Self(values))
    }

    /// The text of a setting; empty where it is none.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.get(key).as_str().unwrap_or_default()
    }

    /// The value of a setting.
    #[must_use]
    pub fn get(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }

    /// Whether there is such a setting.
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The port in an address; an address without one has none.
    #[must_use]
    pub fn port(&self, key: &str) -> Option<u16> {
        let address = self.text(key);
        let place = address.split_once("://").map_or(address, |(_, rest)| rest);
        let place = place.split(['/', '?']).next()?;
        place.rsplit_once(':')?.1.parse().ok()
    }
}

/// `target/debug/deps/it-…` to `target/debug/storelink`.
fn beside_this_test() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    Some(test.parent()?.parent()?.join("storelink"))
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(behind)?.0)
}

fn words(list: &str) -> Vec<String> {
    list.split(',').map(|word| word.trim().to_owned()).collect()
}

/// Reads the table of durable consumers that `streams print` prints.
fn consumers(table: &str, platforms: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let (_, rows) = table
        .split_once("| durable consumer | stream |")
        .context("no table of durable consumers")?;
    let mut found = Vec::new();
    for row in rows.lines().skip(2) {
        let [_, name, stream, ..] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            continue;
        };
        if name.contains("<platform>") {
            let of = |platform: &String| (stream.to_owned(), name.replace("<platform>", platform));
            found.extend(platforms.iter().map(of));
        } else {
            found.push((stream.to_owned(), name.to_owned()));
        }
    }
    ensure!(found.len() > 2, "no durable consumers in: {rows}");
    Ok(found)
}
