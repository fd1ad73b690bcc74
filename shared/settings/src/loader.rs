//! Merging the sources, and saying which one is wrong.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::Provider as _;
use figment::error::Kind;
use figment::providers::{Format as _, Toml};
use figment::value::Dict;

use crate::environment;
use crate::known_keys;
use crate::sections::PASSWORD_FILE;
use crate::{Settings, SettingsError};

/// Every setting with its default and its meaning, as a TOML file.
pub const DEFAULTS: &str = include_str!("defaults.toml");

const FILE_IN_WORKING_DIRECTORY: &str = "storelink.toml";
const SECRET_KEYS: [&str; 3] = ["nats.password", "nats.url", "database.url"];

/// The sources of a configuration, for callers that do not take them from the process.
#[derive(Clone, Default)]
pub struct Loader {
    file: Option<PathBuf>,
    variables: Vec<(String, String)>,
}

impl Loader {
    /// Compiled defaults alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a TOML file, which must exist.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Adds environment variables; those that are no settings are ignored.
    #[must_use]
    pub fn variables<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        self.variables.extend(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    pub(crate) fn from_process(file: Option<&Path>) -> Self {
        let in_working_directory = Path::new(FILE_IN_WORKING_DIRECTORY);
        let file = file.or_else(|| {
            in_working_directory
                .exists()
                .then_some(in_working_directory)
        });
        // A variable that is not Unicode cannot be a setting of ours.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            file: file.map(Path::to_owned),
            variables,
        }
    }

    /// Merges the sources, later ones winning, and checks the result.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn load(self) -> Result<Settings, SettingsError> {
        let known = known_keys::defaults();
        let mut merged = Figment::from(Toml::string(DEFAULTS));
        if let Some(path) = &self.file {
            merged = merged.merge(checked_file(path, &known)?);
        }
        for variable in environment::settings_in(self.variables, &known)? {
            merged = merged.merge(variable);
        }
        let settings: Settings = merged
            .extract()
            .map_err(|error| invalid_value(error, &merged))?;
        refuse_conflicts(&settings)?;
        Ok(settings.resolve_empty())
    }
}

fn checked_file(
    path: &Path,
    known: &Dict,
) -> Result<figment::providers::Data<Toml>, SettingsError> {
    // Read first: figment's own error for a missing file does not tell why it cannot be read.
    let text = std::fs::read_to_string(path).map_err(|error| SettingsError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let origin = path.display().to_string();
    let given = Toml::string(&text)
        .data()
        .map_err(|error| SettingsError::Syntax {
            origin: origin.clone(),
            reason: place_of(&error),
        })?
        .remove(&figment::Profile::Default)
        .unwrap_or_default();
    match known_keys::first_unknown(known, &given) {
        Some(key) => Err(SettingsError::UnknownKey {
            suggestion: known_keys::nearest(known, &key),
            key,
            origin,
        }),
        None => Ok(Toml::file_exact(path)),
    }
}

/// Line, column and cause of a syntax error without the quoted line, which may hold a secret.
fn place_of(error: &figment::Error) -> String {
    let text = error.kind.to_string();
    let lines: Vec<&str> = text.lines().collect();
    match lines.as_slice() {
        [place, .., cause] => format!("{place}: {cause}"),
        _ => text,
    }
}

fn invalid_value(error: figment::Error, merged: &Figment) -> SettingsError {
    let key = error.path.join(".");
    let metadata = error
        .metadata
        .as_ref()
        .or_else(|| merged.find_metadata(&key));
    let origin = match metadata {
        Some(metadata) => match &metadata.source {
            Some(figment::Source::File(path)) => path.display().to_string(),
            _ => metadata.name.to_string(),
        },
        None => "the configuration".to_owned(),
    };
    let problem = match &error.kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected)
            if SECRET_KEYS.contains(&key.as_str()) =>
        {
            format!("expected {expected}")
        }
        kind => kind.to_string(),
    };
    SettingsError::InvalidValue {
        key,
        origin,
        problem,
    }
}

fn refuse_conflicts(settings: &Settings) -> Result<(), SettingsError> {
    if settings.nats.credentials_file.is_some() && !settings.nats.user.is_empty() {
        return Err(SettingsError::Conflict {
            first: "nats.user",
            second: "nats.credentials_file",
        });
    }
    if settings.database.password_file.is_some() && settings.database.url.holds_password() {
        return Err(SettingsError::Conflict {
            first: "database.url (its password)",
            second: PASSWORD_FILE,
        });
    }
    Ok(())
}
