//! One run: what is repeated in turn, then what is done once.

use crate::coalescing::Coalescing;
use crate::figure::Figure;
use crate::fleet::{Fleet, FleetPlan};
use crate::isolation::Isolation;
use crate::latency::Latency;
use crate::limits::Machinery;
use crate::report::progress;
use crate::rig::Rig;
use crate::throughput::Throughput;
use crate::{Arguments, Scenario, many, outage, sustained};

const TEN: usize = 10;

/// All that was measured.
pub(crate) struct Measured {
    pub(crate) figures: Vec<Figure>,
    /// Whether the floor was fast enough to compare with.
    pub(crate) is_valid: bool,
}

/// Measures what the arguments ask for.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<Measured> {
    let mut measured = Measured {
        figures: Vec::new(),
        is_valid: true,
    };
    let with_a_process_per_role = [
        Scenario::Limits,
        Scenario::Throughput,
        Scenario::Latency,
        Scenario::Isolation,
        Scenario::Coalescing,
        Scenario::Sustained,
    ];
    if with_a_process_per_role
        .iter()
        .any(|scenario| arguments.has(*scenario))
    {
        measured = in_turn(arguments).await?;
    }
    let (sizes, sync_always) = (arguments.sizes(), arguments.sync_always);
    if arguments.has(Scenario::Many) {
        progress("A thousand stores in one process.");
        measured
            .figures
            .extend(many::measure(&sizes, sync_always).await?);
    }
    if arguments.has(Scenario::Outage) {
        progress("A store is down during a million changes.");
        measured
            .figures
            .extend(outage::measure(&sizes, sync_always).await?);
    }
    Ok(measured)
}

/// What is measured again and again on one system.
struct Stand {
    rig: Rig,
    limits: Option<Machinery>,
    ten: Option<Fleet>,
    hundred: Option<Fleet>,
    throughput: Option<[Throughput; 2]>,
    latency: Option<Latency>,
    isolation: Option<Isolation>,
    coalescing: Option<Coalescing>,
}

async fn in_turn(arguments: &Arguments) -> anyhow::Result<Measured> {
    let mut stand = Stand::open(arguments).await?;
    progress("The system runs and its stores are linked.");
    for repetition in 1..=arguments.repetitions {
        stand.repeat().await?;
        progress(&format!(
            "Repetition {repetition} of {} is done.",
            arguments.repetitions
        ));
    }
    let mut once = Vec::new();
    if arguments.has(Scenario::Sustained)
        && let Some(hundred) = &mut stand.hundred
    {
        let seconds = arguments.sizes().sustained_seconds;
        once = sustained::measure(&stand.rig, hundred, seconds).await?;
    }
    stand.close(once).await
}

impl Stand {
    async fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let sizes = arguments.sizes();
        let has = |scenario| arguments.has(scenario);
        let throughput = has(Scenario::Throughput);
        let rig = Rig::start(arguments.sync_always).await?;
        let limits = if throughput || has(Scenario::Limits) {
            Some(Machinery::open(sizes.load_ms).await?)
        } else {
            None
        };
        let mut stand = Self {
            limits,
            ten: None,
            hundred: None,
            throughput: throughput.then(|| {
                [
                    Throughput::new("10_stores", true),
                    Throughput::new("100_stores", false),
                ]
            }),
            latency: has(Scenario::Latency).then(|| Latency::new(sizes.latency_events)),
            isolation: None,
            coalescing: None,
            rig,
        };
        let plan = |name, stores, articles| FleetPlan {
            name,
            stores,
            articles,
        };
        if throughput || stand.latency.is_some() {
            let plan = plan("ten", TEN, sizes.ten_articles);
            stand.ten = Some(stand.fleet_with_floor(plan).await?);
        }
        if throughput || has(Scenario::Sustained) {
            let (stores, articles) = sizes.hundred;
            let plan = plan("hundred", stores, articles);
            stand.hundred = Some(stand.fleet_with_floor(plan).await?);
        }
        if has(Scenario::Isolation) {
            stand.isolation = Some(Isolation::open(&stand.rig).await?);
        }
        if has(Scenario::Coalescing) {
            stand.coalescing = Some(Coalescing::open(&stand.rig).await?);
        }
        Ok(stand)
    }

    async fn fleet_with_floor(&self, plan: FleetPlan) -> anyhow::Result<Fleet> {
        let mut fleet = Fleet::open(&self.rig, plan).await?;
        fleet.start_floor(&self.rig).await?;
        Ok(fleet)
    }

    /// Everything once.
    async fn repeat(&mut self) -> anyhow::Result<()> {
        let rig = &self.rig;
        let limits = match &mut self.limits {
            Some(limits) => Some(limits.repeat(rig).await?),
            None => None,
        };
        if let (Some([of_ten, of_hundred]), Some(limits)) = (&mut self.throughput, limits) {
            if let Some(ten) = &mut self.ten {
                of_ten.repeat(rig, ten, &limits).await?;
            }
            if let Some(hundred) = &mut self.hundred {
                of_hundred.repeat(rig, hundred, &limits).await?;
            }
        }
        if let (Some(latency), Some(ten)) = (&mut self.latency, &mut self.ten) {
            latency.repeat(rig, ten).await?;
        }
        if let Some(isolation) = &mut self.isolation {
            isolation.repeat(rig).await?;
        }
        if let Some(coalescing) = &mut self.coalescing {
            coalescing.repeat(rig).await?;
        }
        Ok(())
    }

    /// Ends the system and gathers the figures.
    async fn close(self, once: Vec<Figure>) -> anyhow::Result<Measured> {
        drop((self.ten, self.hundred));
        self.rig.shut_down().await?;
        let mut figures = Vec::new();
        let mut is_valid = true;
        figures.extend(self.limits.into_iter().flat_map(Machinery::figures));
        for throughput in self.throughput.into_iter().flatten() {
            is_valid &= throughput.is_valid();
            figures.extend(throughput.figures());
        }
        figures.extend(self.latency.into_iter().flat_map(Latency::figures));
        figures.extend(self.isolation.into_iter().flat_map(Isolation::figures));
        figures.extend(self.coalescing.into_iter().flat_map(Coalescing::figures));
        figures.extend(once);
        Ok(Measured { figures, is_valid })
    }
}
