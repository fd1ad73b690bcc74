//! What a person sees while it runs.
#![expect(clippy::print_stdout, reason = "the output of the program")]
#![expect(clippy::print_stderr, reason = "the failure of the program")]

use std::time::Instant;

use storelink_test_support::stores::Stores;
use storelink_test_support::system::System;

/// Lines of each process's log that are shown after a failure.
const LOG_LINES: usize = 15;

/// Prints what is done with the time since the beginning.
pub(crate) struct Progress(Instant);

impl Progress {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// One line for one thing that is done.
    pub(crate) fn done(&self, what: &str) {
        println!("[{:>6.1} s] {what}", self.0.elapsed().as_secs_f32());
    }
}

/// Why the demonstration ended early.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("The demonstration failed: {error:#}");
}

/// The last lines of every log.
pub(crate) fn logs(system: &System) {
    for (process, log) in system.logs() {
        eprintln!("--- the end of the log of {process}");
        let lines: Vec<&str> = log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
            eprintln!("{line}");
        }
    }
}

/// Where everything is while it is left running.
pub(crate) fn addresses(system: &System, stores: &Stores) {
    println!("API:              {}", system.api_url());
    println!("First admin token: {}", system.token_file().display());
    println!("Broker:           {}", system.broker_url());
    println!("Simulated stores: {} (control API)", stores.control_url());
    println!("Everything is left running. Ctrl-C ends it.");
}
