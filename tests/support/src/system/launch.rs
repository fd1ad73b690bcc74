//! What is set and done before the first process starts.

use anyhow::Context as _;

use super::{DEV, Role, System, SystemOptions, Unit};
use crate::broker::{BrokerOptions, TestBroker, server_program};
use crate::database::TestDatabase;
use crate::processes::lasting_free_port;

const DATABASE_URL: &str = "STORELINK_DATABASE__URL";

impl System {
    pub(super) fn add_dev(&mut self, options: &SystemOptions) -> anyhow::Result<()> {
        let folder = self.folder.display().to_string();
        let mut arguments: Vec<String> = [DEV, "--data-dir", folder.as_str()]
            .map(str::to_owned)
            .into();
        if self.broker.is_some() {
            arguments.push("--no-broker".to_owned());
        } else {
            arguments.extend(["--nats-port", "0"].map(str::to_owned));
        }
        if !options.sync_always {
            arguments.push("--fast".to_owned());
        }
        self.add(DEV.to_owned(), arguments, None)
    }

    pub(super) async fn add_broker(&mut self, options: &SystemOptions) -> anyhow::Result<()> {
        let broker_options = BrokerOptions {
            sync_always: options.sync_always,
            extra_config: self.make_broker_users().await?,
            ..BrokerOptions::default()
        };
        let broker = TestBroker::start_with(broker_options).await?;
        self.broker_url = broker.url();
        self.broker = Some(broker);
        self.set("STORELINK_NATS__URL", self.broker_url.clone());
        Ok(())
    }

    pub(super) async fn add_roles(
        &mut self,
        options: &SystemOptions,
        replicas: usize,
    ) -> anyhow::Result<()> {
        self.add_broker(options).await?;
        self.set("STORELINK_DATA_DIR", self.folder.display().to_string());
        // No role's user may make any.
        self.set("STORELINK_NATS__MANAGE_STREAMS", "false".to_owned());
        if !options.sync_always {
            self.set(
                "STORELINK_DATABASE__SQLITE_SYNCHRONOUS",
                "normal".to_owned(),
            );
        }
        // What an administrator does before the first role starts.
        self.run(&["keys", "create"], None).await?;
        self.apply_streams().await?;
        if options.database.is_some() {
            self.run(&["migrate"], None).await?;
        }
        for role in Role::ALL {
            let count = if role == Role::ConnectionRegistry {
                1
            } else {
                replicas.max(1)
            };
            for number in 1..=count {
                let name = match number {
                    1 => role.name().to_owned(),
                    _ => format!("{}-{number}", role.name()),
                };
                self.add(name, role.arguments(), Some(role))?;
            }
        }
        Ok(())
    }

    /// Another database for every process that is launched from now on.
    pub fn use_database(&mut self, database: TestDatabase) {
        let url = database.url().to_owned();
        self.environment.retain(|(name, _)| name != DATABASE_URL);
        self.set(DATABASE_URL, url);
        self.database = Some(database);
    }

    pub(super) fn add(
        &mut self,
        name: String,
        arguments: Vec<String>,
        role: Option<Role>,
    ) -> anyhow::Result<()> {
        let ops_port = lasting_free_port()?;
        self.units.insert(
            name,
            Unit {
                arguments,
                role,
                ops_port,
                process: None,
            },
        );
        Ok(())
    }

    fn set(&mut self, name: &str, value: String) {
        self.environment.push((name.to_owned(), value));
    }

    pub(super) async fn settings(
        &self,
        options: &SystemOptions,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let mut settings = vec![
            (
                "STORELINK_HTTP__LISTEN".to_owned(),
                format!("127.0.0.1:{}", self.api_port),
            ),
            (
                "STORELINK_OUTBOUND__ALLOW_SUBNETS".to_owned(),
                "127.0.0.0/8".to_owned(),
            ),
            ("PATH".to_owned(), path_with_broker().await?),
        ];
        if let Some(database) = &options.database {
            settings.push((DATABASE_URL.to_owned(), database.url().to_owned()));
        }
        settings.extend(options.environment.iter().cloned());
        Ok(settings)
    }

    /// What `storelink dev` said about something when it started, for example its `Durability`.
    ///
    /// # Errors
    /// When it said nothing of it.
    pub fn announced(&self, what: &str) -> anyhow::Result<String> {
        let said = std::fs::read_to_string(self.folder.join(format!("{DEV}.out")))?;
        let mut lines = said.lines().rev();
        let found = lines.find_map(|line| line.strip_prefix(what)?.strip_prefix(": "));
        found
            .map(|text| text.trim().to_owned())
            .with_context(|| format!("{what} was not announced"))
    }
}

/// The search path with a broker's program in front that is new enough.
async fn path_with_broker() -> anyhow::Result<String> {
    let program = server_program().await?;
    let folder = program
        .parent()
        .context("the broker's program has no folder")?
        .to_owned();
    let known = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(folder).chain(std::env::split_paths(&known));
    let path = std::env::join_paths(all)?;
    path.into_string()
        .ok()
        .context("the search path is no text")
}
