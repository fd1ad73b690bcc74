//! The mirror and the orders of its sources.

use std::collections::BTreeMap;

use storelink_model::{Quantity, Timestamp, Version, VersionOrder, WarehouseCode};
use storelink_persistence::DbError;

use crate::kind::{LevelKey, Stock};
use crate::ordering::Stamp;
use crate::ports::{Committed, MirrorRows, SourceRows, Winner};

#[allow(clippy::expect_used, reason = "these are checks")]
fn winner(sku: &str, quantity: &str, version: Version, sequence: u64) -> Winner<Stock> {
    let key: LevelKey<WarehouseCode> = LevelKey {
        tenant: "acme".parse().expect("a tenant"),
        source: "main".parse().expect("a warehouse"),
        sku: sku.parse().expect("a code"),
    };
    Winner {
        key,
        stamp: Stamp { version, sequence },
        value: quantity.parse().expect("a quantity"),
        time: Timestamp::from_micros(3),
        trace: None,
        event: 0,
        item: 0,
    }
}

/// What is committed after each winner: nothing for its own value.
async fn store(
    rows: &dyn MirrorRows<Stock>,
    winners: &[Winner<Stock>],
) -> Result<(Vec<Option<Quantity>>, usize), DbError> {
    let (committed, changed) = rows.upsert(winners).await?;
    let kept = committed.into_iter().map(|committed| match committed {
        Committed::Own => None,
        Committed::Kept(row) => row.map(|row| row.level.value),
    });
    Ok((kept.collect(), changed))
}

/// As `ordering::compare` decides.
///
/// # Errors
/// When a call fails.
pub async fn later_versions_replace_and_others_do_not(
    rows: &dyn MirrorRows<Stock>,
) -> Result<(), DbError> {
    let revision = Version::Revision;
    let first = [
        winner("A", "5", revision(3), 1),
        winner("B", "7", Version::Time(50), 2),
    ];
    assert_eq!(store(rows, &first).await?, (vec![None, None], 2));
    let five = Some(first[0].value);
    let seven = Some(first[1].value);
    // Older, equal with another value, and equal times that come earlier or are the same.
    for (again, kept) in [
        (winner("A", "6", revision(2), 9), five),
        (winner("A", "6", revision(3), 9), five),
        (winner("A", "5", revision(3), 9), five),
        (winner("B", "8", Version::Time(49), 9), seven),
        (winner("B", "8", Version::Time(50), 1), seven),
        (winner("B", "7", Version::Time(50), 2), seven),
    ] {
        let stored = store(rows, std::slice::from_ref(&again)).await?;
        assert_eq!(stored, (vec![kept], 0), "{again:?}");
    }
    let later = [
        winner("A", "5", revision(4), 3),
        winner("B", "8", Version::Time(50), 3),
        winner("C", "1", revision(1), 3),
    ];
    assert_eq!(store(rows, &later).await?, (vec![None, None, None], 3));
    let row = rows.get(&later[1].key).await?;
    let row = row.map(|row| (row.level.value, row.level.version, row.sequence));
    assert_eq!(row, Some((later[1].value, Version::Time(50), 3)));
    assert!(
        rows.get(&winner("D", "1", revision(1), 1).key)
            .await?
            .is_none()
    );
    Ok(())
}

/// Every row once, in the order of the keys.
///
/// # Errors
/// When a call fails.
pub async fn pages_follow_each_other(rows: &dyn MirrorRows<Stock>) -> Result<(), DbError> {
    let codes = ["a", "B", "é", "0", "b "];
    let all = codes.map(|code| winner(code, "1", Version::Revision(1), 1));
    rows.upsert(&all).await?;
    let mut after = (String::new(), String::new(), String::new());
    let mut seen = Vec::new();
    loop {
        let (page, next) = rows.page(&after, 2).await?;
        assert!(page.len() <= 2);
        seen.extend(page.iter().map(|row| row.key.sku.as_str().to_owned()));
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    seen.sort();
    let mut expected = codes.map(str::to_owned);
    expected.sort();
    assert_eq!(seen, expected);
    Ok(())
}

/// Whoever comes first decides for all.
///
/// # Errors
/// When a call fails.
pub async fn the_first_order_of_a_source_stays(rows: &dyn SourceRows) -> Result<(), DbError> {
    let key = |source: &str| {
        let key = winner("A", "1", Version::Revision(1), 1).key;
        (key.tenant, source.to_owned())
    };
    let (main, shop) = (key("main"), key("shop"));
    let first = BTreeMap::from([(main.clone(), VersionOrder::Time)]);
    assert_eq!(rows.fix(&first).await?, first);
    let others = BTreeMap::from([
        (main.clone(), VersionOrder::Revision),
        (shop.clone(), VersionOrder::Revision),
    ]);
    let expected = BTreeMap::from([(main, VersionOrder::Time), (shop, VersionOrder::Revision)]);
    assert_eq!(rows.fix(&others).await?, expected);
    Ok(())
}
