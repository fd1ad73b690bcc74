//! The limits of the machine, measured between everything else.

use std::sync::Arc;

use crate::figure::{Figure, Unit};
use crate::load::{Limits, Target};
use crate::rig::Rig;
use crate::sink::{Sink, Tally};

const ARTICLES: usize = 100;

/// A sink of its own and what was measured so far.
pub(crate) struct Machinery {
    sink: Sink,
    milliseconds: u64,
    rates: [Figure; 4],
    processor: [Figure; 4],
}

impl Machinery {
    pub(crate) async fn open(milliseconds: u64) -> anyhow::Result<Self> {
        let names = [
            "broker_publish",
            "broker_read",
            "http_requests",
            "http_batches",
        ];
        Ok(Self {
            sink: Sink::open(ARTICLES, Arc::new(Tally::default())).await?,
            milliseconds,
            rates: names.map(|name| Figure::told(format!("limits.{name}"), Unit::PerSecond)),
            processor: names
                .map(|name| Figure::told(format!("limits.{name}.client_cpu"), Unit::Nanoseconds)),
        })
    }

    /// Measures once.
    pub(crate) async fn repeat(&mut self, rig: &Rig) -> anyhow::Result<Limits> {
        let target = Target {
            broker: rig.system.broker_url().to_owned(),
            sink: self.sink.url(),
            milliseconds: self.milliseconds,
        };
        let limits = target.measured_apart().await?;
        self.sink.book().clear();
        let done = [limits.publish, limits.read, limits.requests, limits.batches];
        for (figure, done) in self.rates.iter_mut().zip(done) {
            figure.tell(done.per_second());
        }
        for (figure, done) in self.processor.iter_mut().zip(done) {
            figure.tell(done.processor_ns());
        }
        Ok(limits)
    }

    pub(crate) fn figures(self) -> impl Iterator<Item = Figure> {
        self.rates
            .into_iter()
            .zip(self.processor)
            .flat_map(|(rate, processor)| [rate, processor])
    }
}
