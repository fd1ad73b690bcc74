//! `storelink streams …`

use std::path::Path;

use storelink_bus::streams::ConsumerSpec;
use storelink_bus::{Bus, streams, users};
use storelink_settings::Settings;

use crate::adapters;
use crate::cli::StreamsAction;
use crate::process::bus_options;

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) async fn run(config: Option<&Path>, action: &StreamsAction) -> anyhow::Result<()> {
    if matches!(action, StreamsAction::Print) {
        print!("{}", streams::to_markdown());
        return Ok(());
    }
    let settings = Settings::load(config)?;
    let bus = Bus::connect(&bus_options(&settings, users::ADMINISTRATOR)).await?;
    if matches!(action, StreamsAction::Apply) {
        streams::apply(&bus, bus.options().sizing).await?;
        for consumer in consumers_of_platforms() {
            streams::apply_consumer(&bus, &consumer).await?;
        }
    }
    let mut differences = streams::check(&bus, bus.options().sizing).await?;
    for consumer in consumers_of_platforms() {
        differences.extend(streams::check_consumer(&bus, &consumer).await?);
    }
    for difference in &differences {
        println!("{difference}");
    }
    anyhow::ensure!(differences.is_empty(), "the broker differs from the table");
    println!("the broker has every stream and consumer of the table");
    Ok(())
}

/// A poller whose broker user may not make its consumers finds them made, and so does an autoscaler.
pub(crate) fn consumers_of_platforms() -> Vec<ConsumerSpec> {
    let adapters = adapters::all();
    let platforms = adapters.iter().map(|(platform, _)| platform.as_str());
    platforms
        .flat_map(|platform| [streams::poller(platform), streams::hooks(platform)])
        .collect()
}
