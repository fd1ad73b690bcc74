//! `storelink streams …`

use std::path::Path;

use storelink_bus::{Bus, streams};
use storelink_settings::Settings;

use crate::cli::StreamsAction;
use crate::process::bus_options;

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) async fn run(config: Option<&Path>, action: &StreamsAction) -> anyhow::Result<()> {
    if matches!(action, StreamsAction::Print) {
        print!("{}", streams::to_markdown());
        return Ok(());
    }
    let settings = Settings::load(config)?;
    let bus = Bus::connect(&bus_options(&settings, "storelink")).await?;
    if matches!(action, StreamsAction::Apply) {
        streams::apply(&bus, bus.options().sizing).await?;
    }
    let differences = streams::check(&bus, bus.options().sizing).await?;
    for difference in &differences {
        println!("{difference}");
    }
    anyhow::ensure!(differences.is_empty(), "the broker differs from the table");
    println!("the broker has every stream and consumer of the table");
    Ok(())
}
