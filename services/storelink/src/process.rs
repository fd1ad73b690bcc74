//! What every process starts with and how it ends.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use storelink_bus::{Bus, BusOptions, Credentials, streams, users};
use storelink_outbound_http::{HttpClient, OutboundPolicy, PortRule};
use storelink_service::{ServiceContext, ServiceParts};
use storelink_settings::{OutboundPorts, Settings};
use storelink_telemetry::{Readiness, TelemetryGuard, metrics};
use storelink_vault::CreateMissing;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapters;
use crate::cli::ConfigAction;
use crate::ending::{Ending, Step};
use crate::{keys, permissions};

/// What a process may make by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Everything: it owns keys, streams and databases.
    Development,
    /// What an administrator left open: keys and what exists are his.
    Production,
}

/// One process on its way from start to end.
pub(crate) struct Process {
    pub(crate) context: ServiceContext,
    telemetry: TelemetryGuard,
    roles: JoinSet<(String, anyhow::Result<()>)>,
}

impl Process {
    /// Connects everything and opens the listener of health and metrics.
    pub(crate) async fn start(
        settings: Settings,
        name: &str,
        setting: Setting,
    ) -> anyhow::Result<Self> {
        let telemetry = storelink_telemetry::init(&settings.telemetry, name)?;
        let http = HttpClient::new(outbound_policy(&settings)?)?;
        let create_missing = match setting {
            Setting::Development => CreateMissing::Yes,
            Setting::Production => CreateMissing::No,
        };
        let bus = Bus::connect(&bus_options(&settings, name)).await?;
        show_work_in_hand(&bus);
        let vault = keys::open(&settings.vault.keys_dir, create_missing)?;
        prepare_streams(&bus, setting).await?;

        let readiness = Readiness::new();
        let shutdown = CancellationToken::new();
        permissions::watch(&bus, &readiness, shutdown.clone());
        let listener = TcpListener::bind(settings.ops.listen)
            .await
            .with_context(|| format!("health cannot be served on {}", settings.ops.listen))?;
        let serving = storelink_telemetry::ops::serve(
            listener,
            readiness.clone(),
            shutdown.clone().cancelled_owned(),
        );
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the listener of health and metrics ended");
            }
        });

        let context = ServiceContext::new(ServiceParts {
            settings: Arc::new(settings),
            bus,
            vault: Arc::new(vault),
            http,
            adapters: adapters::all(),
            readiness,
            shutdown,
        });
        Ok(Self {
            context,
            telemetry,
            roles: JoinSet::new(),
        })
    }

    /// Starts one role.
    pub(crate) fn spawn(
        &mut self,
        name: impl Into<String>,
        role: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let name = name.into();
        self.roles.spawn(async move { (name, role.await) });
    }

    /// Runs until a signal asks to end or a role ends by itself; then lets all roles finish.
    /// Returns how it went, and how much time is left for what is to be ended behind it.
    pub(crate) async fn run(mut self) -> (anyhow::Result<()>, Ending) {
        let outcome = tokio::select! {
            signal = asked_to_end() => signal,
            ended = self.roles.join_next() => ended_early(ended),
        };
        let ending = Ending::begin();
        tracing::info!("ending: work in hand is finished");
        self.context.readiness.drain();
        self.context.shutdown.cancel();
        let limit = ending.time_for(Step::Roles);
        let drained = tokio::time::timeout(limit, finish(&mut self.roles)).await;
        if drained.is_err() {
            tracing::error!(
                "roles did not finish in time; what they had in hand is repeated later"
            );
            self.roles.shutdown().await;
        }
        if let Err(error) = self
            .context
            .bus
            .drain(ending.time_for(Step::Connection))
            .await
        {
            tracing::warn!(%error, "the broker connection did not end in time");
        }
        let limit = ending.time_for(Step::Telemetry);
        let flushed = tokio::time::timeout(limit, self.telemetry.shutdown()).await;
        if flushed.is_err() {
            tracing::warn!("the last spans were not sent in time");
        }
        (outcome, ending)
    }
}

fn show_work_in_hand(bus: &Bus) {
    let bus = bus.clone();
    metrics().observed_gauge(
        "work_in_hand",
        "Messages that this process works on, by consumer.",
        move |observe| {
            for (consumer, count) in bus.work_in_hand() {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                observe(count, &[("consumer", &consumer)]);
            }
        },
    );
}

/// Development makes the broker equal to the table. A role creates what is missing, where it may, and
/// says what differs: an operator's larger limits and the settings of another release stay.
async fn prepare_streams(bus: &Bus, setting: Setting) -> anyhow::Result<()> {
    let sizing = bus.options().sizing;
    if setting == Setting::Development {
        return Ok(streams::apply(bus, sizing).await?);
    }
    if !bus.options().manage_streams {
        return Ok(());
    }
    let differences = streams::ensure(bus, sizing).await.context(
        "streams cannot be created: run `storelink streams apply` as the broker's administrator, \
         and set nats.manage_streams = false for roles with a broker user of their own",
    )?;
    for difference in differences {
        tracing::warn!(%difference, "a stream differs from this program's table: `storelink streams apply` changes it");
    }
    Ok(())
}

fn ended_early(
    ended: Option<Result<(String, anyhow::Result<()>), tokio::task::JoinError>>,
) -> anyhow::Result<()> {
    match ended {
        Some(Ok((name, outcome))) => {
            outcome.with_context(|| format!("{name} failed"))?;
            anyhow::bail!("{name} ended although nobody asked it to")
        }
        Some(Err(error)) => Err(anyhow::Error::new(error).context("a role broke off")),
        None => anyhow::bail!("there is no role to run"),
    }
}

async fn finish(roles: &mut JoinSet<(String, anyhow::Result<()>)>) {
    while let Some(ended) = roles.join_next().await {
        match ended {
            Ok((name, Ok(()))) => tracing::info!(role = name, "finished"),
            Ok((name, Err(error))) => {
                tracing::error!(role = name, error = %format!("{error:#}"), "failed")
            }
            Err(error) => tracing::error!(%error, "a role broke off"),
        }
    }
}

/// SIGTERM, or Ctrl-C at a terminal.
async fn asked_to_end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

fn outbound_policy(settings: &Settings) -> anyhow::Result<OutboundPolicy> {
    let outbound = &settings.outbound;
    let policy = OutboundPolicy {
        connect_timeout: outbound.connect_timeout,
        request_timeout: outbound.request_timeout,
        max_response_bytes: outbound.max_response_bytes,
        instance: (!outbound.instance.is_empty()).then(|| outbound.instance.clone()),
        ports: match &outbound.ports {
            OutboundPorts::Any => PortRule::Any,
            OutboundPorts::Only(ports) => PortRule::Only(ports.clone()),
        },
        ..OutboundPolicy::default()
    };
    Ok(policy.allow_subnets(outbound.allow_subnets.iter().map(String::as_str))?)
}

pub(crate) fn bus_options(settings: &Settings, name: &str) -> BusOptions {
    let nats = &settings.nats;
    let mut options = BusOptions::new(nats.url.expose(), name);
    options.connect_timeout = nats.connect_timeout;
    options.request_timeout = nats.request_timeout;
    options.sizing.replicas = nats.replicas;
    options.sizing.bytes_factor = nats.bytes_factor;
    options.manage_streams = nats.manage_streams;
    let own_inbox = || users::inbox_prefix(name);
    options.inbox_prefix = Some(nats.inbox_prefix.clone().unwrap_or_else(own_inbox));
    options.ca_file = nats.ca_file.clone();
    options.credentials = match (&nats.credentials_file, nats.user.is_empty()) {
        (Some(file), _) => Credentials::File(file.clone()),
        (None, false) => Credentials::UserPassword {
            user: nats.user.clone(),
            password: nats.password.clone(),
        },
        (None, true) => Credentials::None,
    };
    options
}

/// `storelink config …`
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) fn config(file: Option<&Path>, action: &ConfigAction) -> anyhow::Result<()> {
    let settings = Settings::load(file)?;
    match action {
        ConfigAction::Check => print!("{}", settings.effective_toml()),
    }
    Ok(())
}
