//! What a simulated world sees: the ports that it implements, and one job from its message to its end.

use std::sync::Arc;

use storelink_bus::{Outcome, WorkItem};
use storelink_model::Platform;
use storelink_settings::OrderSettings;

pub use crate::cursor_store::{CursorStore, Kept, SavedCursor, StreamIdentity};
pub use crate::handover::{Acknowledged, HandoverStore, Kept as HandedOn, Note, Seen};
use crate::hints::Hints;
pub use crate::links::Links;
pub use crate::read_streams::{ReadStreams, Window};
pub use crate::report::RunReports;
use crate::worker::Poller;
use crate::{in_work, metrics, stopped};

/// What surrounds a poller.
#[allow(missing_docs)]
pub struct Surroundings {
    pub cursors: Arc<dyn CursorStore>,
    pub handovers: Arc<dyn HandoverStore>,
    pub streams: Arc<dyn ReadStreams>,
    pub links: Arc<dyn Links>,
    pub reports: Arc<dyn RunReports>,
}

/// A poller at work.
pub struct SimulatedPoller {
    poller: Poller,
    hints: Hints,
}

impl SimulatedPoller {
    /// A poller that was just started.
    pub fn new(around: Surroundings, platform: Platform, settings: OrderSettings) -> Self {
        let metrics = metrics::PollerMetrics::new();
        let hints = Hints::new(
            platform.clone(),
            around.streams.clone(),
            around.links.clone(),
            metrics.clone(),
        );
        let poller = Poller {
            platform,
            cursors: around.cursors,
            handovers: around.handovers,
            streams: around.streams,
            connections: around.links,
            settings,
            metrics,
            reports: around.reports,
            stopped: stopped::Stopped::default(),
            in_work: in_work::InWork::default(),
            memory: storelink_outbound_http::AnswerMemory::new(1 << 24, 1 << 17),
            shutdown: tokio_util::sync::CancellationToken::new(),
        };
        Self { poller, hints }
    }

    /// Does a job.
    pub async fn work(&self, item: WorkItem) -> Outcome {
        self.poller.work(item).await
    }

    /// Takes a batch of hints.
    pub async fn take_hints(&self, items: &[WorkItem]) -> Vec<Outcome> {
        self.hints.take(items).await
    }
}
