//! Every article of every store changes once, as fast as the ERP can say it: Storelink and floor in turn.

use crate::feed::AT_ONCE;
use crate::figure::{Figure, Judged, Unit};
use crate::fleet::{By, Fleet, Run};
use crate::load::Limits;
use crate::rig::Rig;

/// Thousandths of the floor's updates in a second that Storelink must reach.
const RATE: u64 = 250;
/// Thousandths of the floor's processor time that it may use.
const PROCESSOR: u64 = 6_000;
/// Hundredths of an item in a request.
const ITEMS: u64 = 9_500;
/// Thousandths of what the sink records in batches of 100 that the floor must bring, or it is none.
const FLOOR: u64 = 100;
const ROWS: u64 = 100;

/// What was measured with one fleet.
pub(crate) struct Throughput {
    rate: Figure,
    floor_rate: Figure,
    rate_of_floor: Figure,
    processor: Figure,
    floor_processor: Figure,
    processor_of_floor: Figure,
    items: Figure,
    floor_items: Figure,
    /// Where the floor is compared with the sink.
    floor_of_sink: Option<Figure>,
}

impl Throughput {
    /// `judges_floor`: the floor of this fleet tells whether the run is valid.
    pub(crate) fn new(fleet: &str, judges_floor: bool) -> Self {
        let name = |what: &str| format!("throughput.{fleet}.{what}");
        let told = |what, unit| Figure::told(name(what), unit);
        let at_least = |what, unit| Figure::at_least(name(what), unit, Judged::Median);
        Self {
            rate: told("updates", Unit::PerSecond),
            floor_rate: told("floor_updates", Unit::PerSecond),
            rate_of_floor: at_least("updates_of_floor", Unit::Thousandths),
            processor: told("cpu_per_10k", Unit::ProcessorMicroseconds),
            floor_processor: told("floor_cpu_per_10k", Unit::ProcessorMicroseconds),
            processor_of_floor: Figure::limited(
                name("cpu_of_floor"),
                Unit::Thousandths,
                Judged::Median,
            ),
            items: at_least("items_per_request", Unit::Hundredths),
            floor_items: told("floor_items_per_request", Unit::Hundredths),
            floor_of_sink: judges_floor.then(|| at_least("floor_of_sink", Unit::Thousandths)),
        }
    }

    /// Measures Storelink once and the floor once.
    pub(crate) async fn repeat(
        &mut self,
        rig: &Rig,
        fleet: &mut Fleet,
        limits: &Limits,
    ) -> anyhow::Result<()> {
        let number = fleet.articles()?;
        let processes = rig.processes();
        let ours = fleet
            .run(By::Storelink, &processes, number, AT_ONCE)
            .await?;
        let processes = fleet.floor();
        let floor = fleet.run(By::Floor, &processes, number, AT_ONCE).await?;
        self.add(&ours, &floor, limits)
    }

    fn add(&mut self, ours: &Run, floor: &Run, limits: &Limits) -> anyhow::Result<()> {
        let thousandths = |value: u64, of: u64| value * 1_000 / of.max(1);
        let (rate, floor_rate) = (ours.rows_per_second(), floor.rows_per_second());
        self.rate.tell(rate);
        self.floor_rate.tell(floor_rate);
        self.rate_of_floor.add(thousandths(rate, floor_rate), RATE);
        let processor = ours.processor_us_per_10k()?;
        let floor_processor = floor.processor_us_per_10k()?;
        self.processor.tell(processor);
        self.floor_processor.tell(floor_processor);
        self.processor_of_floor
            .add(thousandths(processor, floor_processor), PROCESSOR);
        self.items.add(ours.items_per_request(), ITEMS);
        self.floor_items.tell(floor.items_per_request());
        if let Some(figure) = &mut self.floor_of_sink {
            let sink = limits.batches.per_second() * ROWS;
            figure.add(thousandths(floor_rate, sink), FLOOR);
        }
        Ok(())
    }

    /// Whether the floor was fast enough to compare with, and so the run is valid.
    pub(crate) fn is_valid(&self) -> bool {
        let line = self.floor_of_sink.as_ref().and_then(Figure::line);
        line.is_none_or(|line| line.holds)
    }

    pub(crate) fn figures(self) -> impl Iterator<Item = Figure> {
        let figures = [
            self.rate,
            self.floor_rate,
            self.rate_of_floor,
            self.processor,
            self.floor_processor,
            self.processor_of_floor,
            self.items,
            self.floor_items,
        ];
        figures.into_iter().chain(self.floor_of_sink)
    }
}
