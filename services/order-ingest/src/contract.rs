//! What the ledger relies on where its rows are kept: the same for a database and for a simulated one.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::value::RawValue;
use storelink_events::connection::RoundingChoice;
use storelink_events::internal::OrderRead;
use storelink_model::{Amount, ConnectionId, Quantity, Timestamp};
use storelink_order::{Address, Customer, Line, Order, OrderState, Payment};

use crate::hub_store::Store;
use crate::ledger::records::LedgerRecords;
use crate::outbox::{Outbox, Waiting};
use crate::revision::Decision;
use crate::{Arrival, IngestError, Ledger};

const MINUTE: i64 = 60_000_000;

pub(crate) fn order(id: &str, cents: i64) -> Order {
    let total = Amount::new(Decimal::new(cents, 2)).unwrap_or_default();
    Order {
        external_id: id.to_owned(),
        number: id.to_owned(),
        state: OrderState::Open,
        store_status: "processing".to_owned(),
        currency: "EUR"
            .parse()
            .unwrap_or_else(|_| unreachable!("EUR is a currency")),
        digits: 2,
        created: Timestamp::MIN,
        modified: Timestamp::MIN,
        customer: Customer::default(),
        billing: Address::default(),
        shipping: None,
        lines: vec![Line {
            external_id: "1".to_owned(),
            sku: "MUG-01".parse().ok(),
            product: None,
            variation: None,
            name: "mug".to_owned(),
            quantity: Quantity::ZERO,
            net_before_discount: total,
            net: total,
            tax: Amount::ZERO,
            tax_rate: None,
            options: Vec::new(),
        }],
        shipping_charges: Vec::new(),
        fees: Vec::new(),
        discounts: Vec::new(),
        gift_cards: Vec::new(),
        total,
        total_tax: Amount::ZERO,
        payment: Payment::default(),
        refunds: Vec::new(),
        note: String::new(),
    }
}

fn arrival(connection: &ConnectionId, id: &str, number: i64, cents: i64) -> [Arrival; 1] {
    arrival_of(connection, number, order(id, cents))
}

pub(crate) fn arrival_of(connection: &ConnectionId, number: i64, order: Order) -> [Arrival; 1] {
    let tenant = "acme".parse();
    let platform = "woocommerce".parse();
    let (Ok(tenant), Ok(platform)) = (tenant, platform) else {
        unreachable!("both are names")
    };
    let read = OrderRead {
        tenant,
        platform,
        connection: connection.clone(),
        external_id: order.external_id.clone(),
        read_number: number,
        read_at: Timestamp::now(),
        raw: RawValue::from_string(order.total.to_string()).unwrap_or_default(),
        order: Some(Box::new(order)),
        unreadable: None,
    };
    [Arrival::new(read, None)]
}

async fn claim(
    outbox: &dyn Outbox,
    now: i64,
    until: i64,
    limit: i64,
) -> Result<Vec<Waiting>, IngestError> {
    let claimed = outbox.claim(now, until, limit).await?;
    let mut rows = outbox.load(&claimed).await?;
    assert_eq!(rows.len(), claimed.len());
    rows.sort_by_key(|row| row.position);
    Ok(rows)
}

fn positions(rows: &[Waiting]) -> Vec<i64> {
    rows.iter().map(|row| row.position).collect()
}

/// What a transaction writes is there when it is committed, and not before.
///
/// # Errors
/// When the records fail.
pub async fn a_transaction_counts_when_it_is_committed(
    records: Arc<dyn LedgerRecords>,
    outbox: &dyn Outbox,
) -> Result<(), IngestError> {
    let connection = ConnectionId::generate();
    let ledger = Ledger::within(records.clone(), |_| RoundingChoice::Deliver);
    let first = arrival(&connection, "1", 5, 1_000);
    let mut dropped = records.begin().await?;
    let entries = dropped.lock(&first, Timestamp::now()).await?;
    assert_eq!(entries.len(), 1);
    drop(dropped);
    let revise = |revision| vec![Decision::Revise { revision }];
    assert_eq!(ledger.take(&first).await?, revise(1));
    assert_eq!(ledger.take(&first).await?, [Decision::Repeat]);
    let later = arrival(&connection, "1", 7, 1_100);
    assert_eq!(ledger.take(&later).await?, revise(2));
    let between = arrival(&connection, "1", 6, 1_000);
    assert_eq!(ledger.take(&between).await?, [Decision::Outdated]);
    let now = Timestamp::now().micros() + MINUTE;
    let waiting = claim(outbox, now, now, 10).await?;
    assert_eq!(positions(&waiting), [1], "revision 2 waits for revision 1");
    outbox.mark(&waiting, now, now, 1).await?;
    let waiting = claim(outbox, now, now, 10).await?;
    assert_eq!(positions(&waiting), [2]);
    outbox.mark(&waiting, now, now, 1).await?;
    Ok(())
}

/// Takes one reading of an order that all callers share, until it is taken.
///
/// # Errors
/// When the records fail.
#[cfg(feature = "simulation")]
pub async fn takes(records: Arc<dyn LedgerRecords>, number: i64) -> Result<(), IngestError> {
    let Ok(connection) = "con_00000000000000000000000000000001".parse() else {
        return Ok(());
    };
    let ledger = Ledger::within(records, |_| RoundingChoice::Deliver);
    let reading = arrival(&connection, "1", number, number);
    ledger.take(&reading).await.map(drop)
}

/// A row is claimed by one at a time, until its time is over or a process starts.
///
/// # Errors
/// When the records fail.
pub async fn a_claim_holds_until_its_time_is_over(
    records: Arc<dyn LedgerRecords>,
    outbox: &dyn Outbox,
) -> Result<(), IngestError> {
    let connection = ConnectionId::generate();
    let ledger = Ledger::within(records, |_| RoundingChoice::Deliver);
    ledger.take(&arrival(&connection, "1", 5, 1_000)).await?;
    ledger.take(&arrival(&connection, "2", 6, 1_000)).await?;
    let now = Timestamp::now().micros() + MINUTE;
    let until = now + MINUTE;
    assert_eq!(claim(outbox, now, until, 1).await?.len(), 1, "the limit");
    assert_eq!(claim(outbox, now, until, 10).await?.len(), 1, "the other");
    assert_eq!(
        claim(outbox, now, until, 10).await?.len(),
        0,
        "both are claimed"
    );
    assert_eq!(claim(outbox, until, until + 1, 10).await?.len(), 2);
    outbox.take_over().await?;
    let claimed = claim(outbox, now, until, 10).await?;
    assert_eq!(claimed.len(), 2, "a process began");
    if let Some(row) = claimed.first() {
        outbox.postpone(row, until).await?;
    }
    outbox.take_over().await?;
    assert_eq!(
        claim(outbox, now, until, 10).await?.len(),
        1,
        "one is postponed"
    );
    let again = claim(outbox, until, until + 1, 10).await?;
    assert_eq!(again.iter().map(|row| row.attempts).sum::<i64>(), 1);
    outbox.mark(&again, until, now, 1).await?;
    let still = claim(outbox, i64::MAX - 1, i64::MAX, 10).await?;
    assert_eq!(still.len(), 2, "the claim was another one");
    outbox.mark(&still, i64::MAX, now, 1).await?;
    assert!(claim(outbox, i64::MAX, i64::MAX, 10).await?.is_empty());
    Ok(())
}

/// After a loss what was written since then waits again, first of its chain first.
///
/// # Errors
/// When the records fail.
pub async fn after_a_loss_events_wait_again(
    records: Arc<dyn LedgerRecords>,
    outbox: &dyn Outbox,
) -> Result<(), IngestError> {
    let connection = ConnectionId::generate();
    let ledger = Ledger::within(records, |_| RoundingChoice::Deliver);
    let stream = |created_micros, last_sequence| Store::Stream {
        created_micros,
        last_sequence,
    };
    outbox.keep_store(stream(1, 5), None).await?;
    assert_eq!(outbox.known_store().await?, Some(stream(1, 5)));
    let begun = Timestamp::now().micros() - 1;
    for (number, cents) in [(5, 1_000), (6, 1_100)] {
        ledger
            .take(&arrival(&connection, "1", number, cents))
            .await?;
    }
    for _ in 0..2 {
        let rows = claim(outbox, i64::MAX - 1, i64::MAX, 10).await?;
        outbox.mark(&rows, i64::MAX, begun, 1).await?;
    }
    let after = Timestamp::now().micros() + MINUTE;
    assert_eq!(outbox.keep_store(stream(2, 0), Some(after)).await?, 0);
    assert_eq!(outbox.keep_store(stream(2, 1), Some(begun)).await?, 2);
    assert_eq!(outbox.known_store().await?, Some(stream(2, 1)));
    let rows = claim(outbox, after, after, 10).await?;
    assert_eq!(positions(&rows), [1]);
    // Lost once more, while somebody publishes.
    outbox.keep_store(stream(3, 0), Some(begun)).await?;
    outbox.mark(&rows, after, after, 9).await?;
    let known = outbox.known_store().await?;
    assert_eq!(known, Some(stream(3, 0)), "the one that reached 9 is gone");
    let again = claim(outbox, after, after + 1, 10).await?;
    assert_eq!(positions(&again), [1], "the stream that took it is gone");
    outbox.mark(&again, after + 1, after, 9).await?;
    assert_eq!(positions(&claim(outbox, after, after, 10).await?), [2]);
    // Looked at before that event, and noted after it.
    outbox.keep_store(stream(3, 8), None).await?;
    assert_eq!(outbox.known_store().await?, Some(stream(3, 9)));
    outbox.keep_store(stream(3, 10), None).await?;
    assert_eq!(outbox.known_store().await?, Some(stream(3, 10)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use storelink_persistence::Database;
    use storelink_test_support::database::TestDatabase;
    use storelink_test_support::on_each_database;

    use super::*;

    on_each_database!(a_database_keeps_ledger_and_outbox_as_agreed);

    async fn a_database_keeps_ledger_and_outbox_as_agreed(place: TestDatabase) {
        let database = Database::open(&place.settings(), "order-ingest")
            .await
            .unwrap();
        database.migrate(&crate::MIGRATOR).await.unwrap();
        let records = Arc::new(database.clone());
        a_transaction_counts_when_it_is_committed(records.clone(), &database)
            .await
            .unwrap();
        a_claim_holds_until_its_time_is_over(records.clone(), &database)
            .await
            .unwrap();
        after_a_loss_events_wait_again(records, &database)
            .await
            .unwrap();
    }
}
