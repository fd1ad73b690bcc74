//! The runs that there are, each in a short and a long form.

use std::path::PathBuf;
use std::time::Duration;

use crate::kills::Plan;
use crate::outcome::{Outcome, RunId};
use crate::stage::DatabaseKind::{self, Postgres, Sqlite};

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For `make test`.
    Short,
    /// For `make faults`.
    Long,
}

/// A kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Processes, broker and database are killed.
    Kills(DatabaseKind),
    /// The same with stores that misbehave.
    Mixed(DatabaseKind),
}

impl Run {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Kills(Sqlite),
        Self::Kills(Postgres),
        Self::Mixed(Sqlite),
        Self::Mixed(Postgres),
    ];

    /// For example `kills-postgres`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Kills(database) => format!("kills-{}", database.name()),
            Self::Mixed(database) => format!("mixed-{}", database.name()),
        }
    }

    /// The name with the form.
    #[must_use]
    pub fn id(self, form: Form) -> String {
        match form {
            Form::Short => format!("{}-short", self.name()),
            Form::Long => self.name(),
        }
    }

    /// Carries it out; logs are kept in the folder, or nowhere.
    ///
    /// # Errors
    /// When the run cannot be carried out; what it finds is no error.
    pub async fn carry_out(
        self,
        form: Form,
        run: RunId,
        folder: Option<PathBuf>,
    ) -> anyhow::Result<Outcome> {
        let long = form == Form::Long;
        let (kills, seconds) = if long { (200, 600) } else { (20, 60) };
        let traffic = Duration::from_secs(seconds);
        let mut plan = match self {
            Self::Kills(database) => Plan::new(database, kills, traffic),
            Self::Mixed(database) => Plan::new(database, kills, traffic).mixed(),
        };
        plan.setup.folder = folder;
        plan.run(run).await
    }
}
