//! The outcome as a table, and the verdict.
#![expect(clippy::print_stdout, reason = "the output of the program")]

use storelink_test_support::judge::{Delays, StoreVerdict, Verdict};

use crate::cast::{Role, Trait};

const HEAD: [&str; 10] = [
    "store",
    "WooCommerce",
    "zone",
    "prices",
    "stock right",
    "prices right",
    "writes",
    "p50",
    "p99",
    "orders: store/ledger/events",
];

/// Prints the table and answers whether everything is right. `sample` is what the API says wrongly
/// about single SKUs.
pub(crate) fn print(cast: &[Role], verdict: &Verdict, sample: &[String]) -> bool {
    let rows = cast
        .iter()
        .zip(&verdict.stores)
        .map(|(role, store)| row(role, store));
    let rows: Vec<[String; 10]> = std::iter::once(HEAD.map(str::to_owned))
        .chain(rows)
        .collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    println!();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    println!();
    println!(
        "p50 and p99: from the ERP's word to the store's value, stock changes after the first synchronisation."
    );

    let mut complaints = verdict.complaints();
    complaints.extend(sample.iter().cloned());
    for store in verdict
        .stores
        .iter()
        .filter(|store| store.writes.went_back > 0)
    {
        complaints.push(format!(
            "{}: an older value followed a newer one {} times",
            store.name, store.writes.went_back
        ));
    }
    for complaint in &complaints {
        println!("WRONG  {complaint}");
    }
    let orders: usize = verdict
        .stores
        .iter()
        .map(|store| store.orders.in_store)
        .sum();
    if complaints.is_empty() {
        println!(
            "Verdict: right. Every value of every store is the ERP's last one, {orders} orders arrived exactly once, to the cent, and nothing else was written."
        );
    } else {
        println!("Verdict: WRONG in {} points.", complaints.len());
    }
    complaints.is_empty()
}

fn row(role: &Role, store: &StoreVerdict) -> [String; 10] {
    let mark = match role.trait_of {
        Trait::Healthy => "",
        Trait::Slow => " (800 ms)",
        Trait::Failing => " (failed 10 s)",
    };
    let orders = &store.orders;
    [
        format!("{}{mark}", store.name),
        role.version.number().to_owned(),
        role.zone.to_owned(),
        if role.is_for_consumers() {
            "B2C gross"
        } else {
            "B2B net"
        }
        .to_owned(),
        format!("{}/{}", store.stock.right, store.stock.total),
        format!("{}/{}", store.prices.right, store.prices.total),
        store.writes.requests.to_string(),
        milliseconds(&store.delays, 50),
        milliseconds(&store.delays, 99),
        format!(
            "{}/{}/{}",
            orders.in_store, orders.in_ledger, orders.as_events
        ),
    ]
}

fn milliseconds(delays: &Delays, percent: usize) -> String {
    let delay = delays.percentile(percent);
    delay.map_or_else(|| "-".to_owned(), |us| format!("{} ms", us / 1_000))
}
