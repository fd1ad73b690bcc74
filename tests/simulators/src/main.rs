//! Runs simulated stores under a control API, for demonstrations and fault runs.

use std::io::Write as _;
use std::net::SocketAddr;

use clap::Parser;
use storelink_simulators::Simulators;

/// Simulated stores, driven over a control API.
#[derive(Debug, Parser)]
#[command(name = "storelink-simulators", version)]
struct Arguments {
    /// Address of the control API; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let simulators = Simulators::new();
    let control = simulators.serve_control(arguments.control).await?;
    let mut out = std::io::stdout();
    writeln!(out, "http://{}", control.address())?;
    out.flush()?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        () = simulators.stopped() => {}
    }
    simulators.stop();
    Ok(())
}
