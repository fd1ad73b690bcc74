//! What every process starts with and how it ends.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use storelink_bus::{Bus, BusOptions, Credentials};
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_service::{ServiceContext, ServiceParts};
use storelink_settings::Settings;
use storelink_telemetry::{Readiness, TelemetryGuard};
use storelink_vault::{CreateMissing, Vault};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapters;
use crate::cli::ConfigAction;

/// How long roles may take to finish what they have in hand.
const DRAIN: Duration = Duration::from_secs(25);
/// How long the broker connection and the trace exporter may take after that.
const FAREWELL: Duration = Duration::from_secs(4);

/// One process on its way from start to end.
pub(crate) struct Process {
    pub(crate) context: ServiceContext,
    telemetry: TelemetryGuard,
    roles: JoinSet<(String, anyhow::Result<()>)>,
}

impl Process {
    /// Connects everything and opens the listener of health and metrics.
    pub(crate) async fn start(settings: Settings, name: &str) -> anyhow::Result<Self> {
        let telemetry = storelink_telemetry::init(&settings.telemetry, name)?;
        let http = HttpClient::new(outbound_policy(&settings)?)?;
        let vault = Vault::open(&settings.vault.keys_dir, CreateMissing::Yes)
            .context("the keys of the vault cannot be used")?;
        let bus = Bus::connect(&bus_options(&settings, name)).await?;
        storelink_bus::streams::apply(&bus, bus.options().sizing).await?;

        let readiness = Readiness::new();
        let shutdown = CancellationToken::new();
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
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            signal = asked_to_end() => signal,
            ended = self.roles.join_next() => ended_early(ended),
        };
        tracing::info!("ending: work in hand is finished");
        self.context.readiness.drain();
        self.context.shutdown.cancel();
        let drained = tokio::time::timeout(DRAIN, finish(&mut self.roles)).await;
        if drained.is_err() {
            tracing::error!(
                "roles did not finish in time; what they had in hand is repeated later"
            );
            self.roles.shutdown().await;
        }
        if let Err(error) = self.context.bus.drain(FAREWELL).await {
            tracing::warn!(%error, "the broker connection did not end in time");
        }
        self.telemetry.shutdown().await;
        outcome
    }
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
    let policy = OutboundPolicy {
        connect_timeout: settings.outbound.connect_timeout,
        ..OutboundPolicy::default()
    };
    Ok(policy.allow_subnets(settings.outbound.allow_subnets.iter().map(String::as_str))?)
}

pub(crate) fn bus_options(settings: &Settings, name: &str) -> BusOptions {
    let nats = &settings.nats;
    let mut options = BusOptions::new(nats.url.expose(), name);
    options.connect_timeout = nats.connect_timeout;
    options.request_timeout = nats.request_timeout;
    options.sizing.replicas = nats.replicas;
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
