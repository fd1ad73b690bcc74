//! Whether a store knows the bounds that it is asked with.

use serde::de::IgnoredAny;
use storelink_adapter_api::{AdapterError, ErrorClass, Purpose};

use crate::api::{Answer, Api, Call};
use crate::codes;
use crate::walk::{Seen, Stage, gmt_text};

/// 2199-01-01: nothing was modified after it.
const NEVER: i64 = 7_226_582_400;

/// Judges a page by the times of its rows. One that is older than the bound may be an odd row (a plugin
/// that writes or shows its own times) or the sign of a store that ignores the bound (recordings 66, 97,
/// 99) and shows all it has. A question that no row can answer tells which: a store that answers it with
/// rows ignores bounds.
pub(crate) async fn check(
    api: &Api<'_>,
    list: &Call,
    stage: &Stage,
    rows: impl Iterator<Item = Seen>,
    purpose: Purpose,
) -> Result<(), AdapterError> {
    let Some(bound) = stage.bound() else {
        return Ok(());
    };
    let mut older = rows.filter(|row| row.modified.is_some_and(|modified| modified <= bound));
    let Some(odd) = older.next() else {
        return Ok(());
    };
    let answer: Answer<Vec<IgnoredAny>> = api.ask(&after_everything(list), purpose).await?;
    if !answer.value.is_empty() {
        return Err(codes::MODIFIED_FILTER_IGNORED.error(ErrorClass::Attention));
    }
    tracing::warn!(
        list = list.path,
        id = odd.id,
        "a row is older than what the store was asked for, though it knows the question: its time is \
         not relied on"
    );
    Ok(())
}

/// The same list, of what was modified when nothing can have been.
fn after_everything(list: &Call) -> Call {
    let not_kept = [
        "modified_after",
        "modified_before",
        "per_page",
        "page",
        "_fields",
    ];
    let mut query: Vec<(String, String)> = list
        .query
        .iter()
        .filter(|(name, _)| !not_kept.contains(&name.as_str()))
        .cloned()
        .collect();
    let one = [
        ("modified_after", gmt_text(NEVER)),
        ("per_page", "1".to_owned()),
        ("page", "1".to_owned()),
        ("_fields", "id".to_owned()),
    ];
    query.extend(one.map(|(name, value)| (name.to_owned(), value)));
    Call {
        query,
        ..list.clone()
    }
}
