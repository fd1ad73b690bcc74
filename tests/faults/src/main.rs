//! Carries fault runs out, one after the other, and keeps what they found.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use storelink_faults::outcome::{self, Outcome, RunId, Verdict};
use storelink_faults::runs::{Form, Run};

/// Fault runs: kills, freezes, late answers, replicas that come and go.
#[derive(Debug, Parser)]
#[command(name = "storelink-faults", version)]
struct Arguments {
    /// Only runs whose name begins so, for example `kills` or `kills-postgres`.
    #[arg(long, default_value = "")]
    only: String,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs of each kind, with this seed and the ones after it.
    #[arg(long, default_value_t = 1)]
    repeat: u64,
    /// The forms that `make test` runs instead of the long ones.
    #[arg(long)]
    short: bool,
    /// Where outcomes and the logs of failed runs are kept.
    #[arg(long, default_value = "target/faults")]
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match carry_out(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(arguments: &Arguments) -> anyhow::Result<bool> {
    std::fs::create_dir_all(&arguments.folder)?;
    let file = arguments.folder.join("outcomes.jsonl");
    let known = outcome::read(&file)?;
    let commit = commit();
    let form = if arguments.short {
        Form::Short
    } else {
        Form::Long
    };
    let mut all: Vec<Outcome> = Vec::new();
    let mut broken = 0;
    for run in Run::ALL
        .iter()
        .filter(|run| run.name().starts_with(&arguments.only))
    {
        for seed in arguments.seed..arguments.seed.saturating_add(arguments.repeat) {
            let id = RunId {
                id: run.id(form),
                seed,
                commit: commit.clone(),
            };
            let known = known.iter().find(|known| known.run == id);
            if let Some(known) = known.filter(|_| id.names_a_commit()) {
                say(&format!("known: {}", known.summary()));
                all.push(known.clone());
                continue;
            }
            match one(*run, form, &id, &arguments.folder).await {
                Ok(found) => {
                    outcome::append(&file, &found)?;
                    report(&found);
                    all.push(found);
                }
                Err(error) => {
                    // No verdict: it is carried out again next time.
                    say(&format!(
                        "{} seed {seed} could not be carried out: {error:#}",
                        id.id
                    ));
                    broken += 1;
                }
            }
        }
    }
    let failed = all
        .iter()
        .filter(|run| run.verdict == Verdict::Failed)
        .count();
    say(&claim(&all, failed, broken));
    Ok(failed == 0 && broken == 0 && !all.is_empty())
}

async fn one(run: Run, form: Form, id: &RunId, folder: &Path) -> anyhow::Result<Outcome> {
    let logs = folder.join("logs").join(format!("{}-{}", id.id, id.seed));
    if logs.exists() {
        std::fs::remove_dir_all(&logs)?;
    }
    say(&format!(
        "{} seed {} begins; logs in {}",
        id.id,
        id.seed,
        logs.display()
    ));
    let found = run.carry_out(form, id.clone(), Some(logs.clone())).await?;
    if found.verdict == Verdict::Passed {
        std::fs::remove_dir_all(&logs)?;
    }
    Ok(found)
}

fn report(found: &Outcome) {
    say(&found.summary());
    for complaint in &found.complaints {
        say(&format!("  {complaint}"));
    }
}

/// What may be said after so many repetitions: zero failures in N bounds the rate at about 3/N.
fn claim(all: &[Outcome], failed: usize, broken: usize) -> String {
    let kills: u64 = all.iter().map(|run| run.kills_counted).sum();
    let mut text = format!(
        "{} runs, {failed} failed, {broken} not carried out",
        all.len()
    );
    if failed == 0 && kills > 0 {
        let bound = 3_000 / kills;
        text.push_str(&format!(
            "; no failure in {kills} kills with work in flight: their rate is below {}.{} % (95 % confidence)",
            bound / 10,
            bound % 10
        ));
    }
    text
}

/// The commit that is checked out, with `+` when files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed = git(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
    if changed {
        format!("{commit}+")
    } else {
        commit
    }
}

#[expect(clippy::print_stdout, reason = "the program's output")]
fn say(text: &str) {
    println!("{text}");
}
