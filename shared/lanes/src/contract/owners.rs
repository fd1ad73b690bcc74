//! Rows of lanes and processes.

use std::slice;

use storelink_persistence::DbError;

use super::connection;
use crate::ports::{OwnerRow, OwnerRows};

/// A lane is taken by who read its row as it still is, and by nobody who has it already.
///
/// # Errors
/// When a call fails.
pub async fn lanes_are_taken_by_compare_and_set(rows: &dyn OwnerRows) -> Result<(), DbError> {
    let id = connection(1);
    rows.add(&[id.as_str()]).await?;
    rows.add(&[id.as_str()]).await?;
    let free = OwnerRow::new(id.as_str());
    assert_eq!(rows.of_others("a").await?, slice::from_ref(&free));
    let taken = rows.take("a", slice::from_ref(&free)).await?;
    assert_eq!(taken.get(&id), Some(&1));
    assert!(
        rows.take("b", &[free]).await?.is_empty(),
        "the epoch is another one"
    );
    assert!(rows.of_others("a").await?.is_empty());
    let read = rows.of_others("b").await?.remove(0);
    assert_eq!((read.owner.as_str(), read.epoch, read.renewal), ("a", 1, 0));
    assert_eq!(rows.renew("a").await?.get(&id), Some(&1));
    assert!(
        rows.take("b", &[read]).await?.is_empty(),
        "it was renewed since"
    );
    let read = rows.of_others("b").await?.remove(0);
    assert_eq!(read.renewal, 1);
    assert!(
        rows.take("a", slice::from_ref(&read)).await?.is_empty(),
        "it is its own"
    );
    assert_eq!(rows.take("b", &[read]).await?.get(&id), Some(&2));
    assert!(rows.renew("a").await?.is_empty());
    rows.give_back(&[(id.clone(), 1)]).await?;
    assert_eq!(
        rows.renew("b").await?.get(&id),
        Some(&2),
        "an epoch that is over"
    );
    rows.give_back(&[(id.clone(), 2)]).await?;
    assert!(rows.renew("b").await?.is_empty());
    let given = rows.of_others("b").await?.remove(0);
    assert_eq!((given.owner.as_str(), given.epoch), ("", 2));
    assert_eq!(rows.take("b", &[given]).await?.get(&id), Some(&3));
    rows.release("b").await?;
    assert!(rows.renew("b").await?.is_empty());
    Ok(())
}

/// A process that counted since is not buried.
///
/// # Errors
/// When a call fails.
pub async fn processes_count_until_they_are_buried(rows: &dyn OwnerRows) -> Result<(), DbError> {
    let of = |id: &str, beat| (id.to_owned(), beat);
    assert_eq!(rows.beat("a").await?, [of("a", 1)]);
    rows.beat("b").await?;
    let mut all = rows.beat("a").await?;
    all.sort();
    assert_eq!(all, [of("a", 2), of("b", 1)]);
    rows.bury("a", 1).await?;
    rows.bury("b", 1).await?;
    assert_eq!(rows.beat("a").await?, [of("a", 3)]);
    rows.leave("a").await?;
    assert_eq!(rows.beat("b").await?, [of("b", 1)]);
    Ok(())
}
