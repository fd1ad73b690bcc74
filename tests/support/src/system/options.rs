use std::path::PathBuf;

use crate::database::TestDatabase;

/// How the system is started.
pub struct SystemOptions {
    /// One process, or one for each role.
    pub layout: Layout,
    /// Where the services keep their rows; SQLite files in the data folder when none.
    pub database: Option<TestDatabase>,
    /// Settings as variables, for example `STORELINK_LANES__RECHECK_AFTER_SECONDS`.
    pub environment: Vec<(String, String)>,
    /// Folder for keys, tokens, logs and SQLite files; a temporary one when none.
    pub folder: Option<PathBuf>,
    /// The broker flushes every message before it acknowledges it.
    pub sync_always: bool,
}

/// Which processes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `storelink dev`: every role and a broker of its own.
    OneProcess,
    /// `storelink dev --no-broker`: every role, beside a broker that stays when the process ends.
    OneProcessBesideBroker,
    /// `storelink serve <role>` for every role, so many of each, beside a broker.
    ProcessPerRole {
        /// Processes of each role except the registry, which has one.
        replicas: usize,
    },
}

impl SystemOptions {
    /// `storelink dev` on SQLite.
    #[must_use]
    pub fn one_process() -> Self {
        Self {
            layout: Layout::OneProcess,
            database: None,
            environment: Vec::new(),
            folder: None,
            sync_always: false,
        }
    }

    /// One process for each role, on SQLite.
    #[must_use]
    pub fn process_per_role() -> Self {
        Self {
            layout: Layout::ProcessPerRole { replicas: 1 },
            ..Self::one_process()
        }
    }

    /// On this database.
    #[must_use]
    pub fn on(mut self, database: TestDatabase) -> Self {
        self.database = Some(database);
        self
    }

    /// With a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }
}
