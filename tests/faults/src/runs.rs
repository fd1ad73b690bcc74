//! The runs that there are, each in a short and a long form.

use std::path::PathBuf;
use std::time::Duration;

use crate::outcome::{Outcome, RunId};
use crate::stage::DatabaseKind::{self, Postgres, Sqlite};
use crate::{freeze, kills, late, replicas};

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
    /// Publishers and a poller freeze and wake up.
    Freeze,
    /// A store applies writes late.
    Late(DatabaseKind),
    /// Replicas come and go.
    Replicas,
}

impl Run {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Late(Sqlite),
        Self::Late(Postgres),
        Self::Freeze,
        Self::Replicas,
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
            Self::Freeze => "freeze".to_owned(),
            Self::Late(database) => format!("late-{}", database.name()),
            Self::Replicas => "replicas".to_owned(),
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
        let seconds = |short: u64, long: u64| {
            Duration::from_secs(if form == Form::Short { short } else { long })
        };
        let number = |short: u64, long: u64| if form == Form::Short { short } else { long };
        match self {
            Self::Kills(database) => {
                let mut plan = kills::Plan::new(database, number(20, 200), seconds(60, 600));
                plan.setup.folder = folder;
                plan.run(run).await
            }
            Self::Mixed(database) => {
                let plan = kills::Plan::new(database, number(8, 200), seconds(20, 600));
                let mut plan = plan.mixed();
                plan.setup.folder = folder;
                plan.run(run).await
            }
            Self::Freeze => {
                let mut plan = freeze::Plan::new(number(1, 10));
                plan.setup.folder = folder;
                plan.run(run).await
            }
            Self::Late(database) => {
                let recheck = seconds(16, 40).as_secs();
                let mut plan = late::Plan::new(database, seconds(10, 30), recheck);
                plan.setup.folder = folder;
                plan.run(run).await
            }
            Self::Replicas => {
                let mut plan = replicas::Plan::new(seconds(15, 180));
                plan.setup.folder = folder;
                plan.run(run).await
            }
        }
    }
}
