//! The figures as a table for people and as lines of JSON.
#![expect(clippy::print_stdout, reason = "the output of the program")]

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::figure::{Figure, Line};
use crate::machine::Machine;

#[derive(Serialize)]
struct Written<'a> {
    run: &'a str,
    #[serde(flatten)]
    machine: &'a Machine,
    #[serde(flatten)]
    line: &'a Line<'a>,
}

/// Says what the program does now.
pub(crate) fn progress(what: &str) {
    println!("{what}");
}

/// Prints all figures and writes one line for each to a new file of `folder`. Answers whether every
/// limit holds.
pub(crate) fn publish(
    figures: &[Figure],
    machine: &Machine,
    folder: &Path,
) -> anyhow::Result<bool> {
    let lines: Vec<Line<'_>> = figures.iter().filter_map(Figure::line).collect();
    let run = run_name()?;
    let file = folder.join(format!("{run}.jsonl"));
    let mut text = String::new();
    for line in &lines {
        let written = Written {
            run: &run,
            machine,
            line,
        };
        text.push_str(&serde_json::to_string(&written)?);
        text.push('\n');
    }
    std::fs::create_dir_all(folder)?;
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    table(&lines);
    println!("Written to {}", file.display());
    Ok(lines.iter().all(|line| line.holds))
}

fn run_name() -> anyhow::Result<String> {
    let format = time::format_description::parse_borrowed::<2>(
        "[year][month][day]T[hour][minute][second]Z",
    )?;
    Ok(time::OffsetDateTime::now_utc().format(&format)?)
}

fn table(lines: &[Line<'_>]) {
    let head = ["figure", "median (min..max)", "of its limit", ""].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head)
        .chain(lines.iter().map(Line::text))
        .collect();
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    println!();
    for row in &rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    println!();
}
