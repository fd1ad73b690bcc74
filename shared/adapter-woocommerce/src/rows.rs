//! One batch to the store and its answer, row by row. The status of a batch is 200 whatever happens
//! in its rows; rows come back in their order, each with the whole article as it is now, or with an
//! error of its own (recordings 140, 147, 148). Single writes use a batch of one row too: the way
//! and its checks stay the same, and the difference of some milliseconds (sheet section 9) is paid
//! only when nothing else waits.

use serde_json::{Value, json};
use storelink_adapter_api::{AdapterError, ErrorClass, ItemOutcome, Purpose, StoreIds, WriteGroup};

use crate::api::{Api, Call};
use crate::codes;
use crate::failure::StoreError;

/// The row that a value of an article is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The product whose variations the row is among; none for products.
    pub(crate) parent: Option<String>,
    /// The row's id.
    pub(crate) id: String,
}

impl Target {
    /// Stock that a product keeps for its variations is written to the product.
    pub(crate) fn of_stock(ids: &StoreIds) -> Self {
        match &ids.stock_row {
            Some(row) if ids.variation.as_ref() != Some(row) => Self {
                parent: None,
                id: row.clone(),
            },
            _ => Self::of_price(ids),
        }
    }

    pub(crate) fn of_price(ids: &StoreIds) -> Self {
        match &ids.variation {
            Some(variation) => Self {
                parent: Some(ids.product.clone()),
                id: variation.clone(),
            },
            None => Self {
                parent: None,
                id: ids.product.clone(),
            },
        }
    }

    /// Products share a batch; variations only with those of the same product.
    pub(crate) fn group(&self) -> WriteGroup {
        WriteGroup(self.parent.clone())
    }

    fn number(&self) -> Option<u64> {
        self.id.parse().ok().filter(|id| *id > 0)
    }
}

/// What is to be written to one row: its members beside the id, or why it is not sent.
pub(crate) type Draft = Result<Value, ItemOutcome>;

/// Sends the drafts as one batch and judges each row of the answer. Outcomes are in the order of
/// the drafts; rows that were refused here are not sent.
pub(crate) async fn write(
    api: &Api<'_>,
    rows: Vec<(Target, Draft)>,
    judge: impl Fn(&Value, &Value) -> ItemOutcome,
) -> Result<Vec<ItemOutcome>, AdapterError> {
    let group = rows.first().and_then(|(target, _)| target.parent.clone());
    if rows.iter().any(|(target, _)| target.parent != group) {
        return Err(codes::ROW_NOT_SENT.error(ErrorClass::Rejected));
    }
    let path = match &group {
        None => "products/batch".to_owned(),
        Some(parent) if parent.parse::<u64>().is_ok() => {
            format!("products/{parent}/variations/batch")
        }
        Some(_) => {
            return Ok(rows
                .iter()
                .map(|_| codes::ARTICLE_NOT_LISTED.rejected(""))
                .collect());
        }
    };

    let mut outcomes: Vec<Option<ItemOutcome>> = Vec::with_capacity(rows.len());
    let mut sent: Vec<(u64, Value)> = Vec::with_capacity(rows.len());
    for (target, draft) in rows {
        let ready = match (target.number(), draft) {
            (_, Err(outcome)) => Err(outcome),
            (None, Ok(_)) => Err(codes::ARTICLE_NOT_LISTED.rejected("")),
            (Some(id), Ok(members)) => Ok((id, with_id(id, members))),
        };
        match ready {
            Ok(row) => {
                sent.push(row);
                outcomes.push(None);
            }
            Err(outcome) => outcomes.push(Some(outcome)),
        }
    }
    let mut judged = if sent.is_empty() {
        Vec::new()
    } else {
        let rows: Vec<&Value> = sent.iter().map(|(_, row)| row).collect();
        let call = Call::post(path, json!({ "update": rows }).to_string());
        let answer = api.ask::<Value>(&call, Purpose::Write).await;
        judge_rows(&sent, &unknown_when_unread(answer)?, judge)
    }
    .into_iter();
    let outcome = |known: Option<ItemOutcome>| {
        known
            .or_else(|| judged.next())
            .unwrap_or(ItemOutcome::Unknown)
    };
    Ok(outcomes.into_iter().map(outcome).collect())
}

fn with_id(id: u64, mut members: Value) -> Value {
    if let Some(members) = members.as_object_mut() {
        members.insert("id".to_owned(), id.into());
    }
    members
}

/// A success that cannot be read tells nothing about any row: the store has worked all the same
/// (recording 172b). An error that came as one stays one.
fn unknown_when_unread(
    answer: Result<crate::api::Answer<Value>, AdapterError>,
) -> Result<Value, AdapterError> {
    let unread = [codes::ANSWER_HTML.code, codes::ANSWER_NOT_UNDERSTOOD.code];
    match answer {
        Ok(answer) => Ok(answer.value),
        Err(error) if unread.contains(&error.code) => {
            tracing::warn!(%error, "the answer to a batch could not be read");
            Ok(Value::Null)
        }
        Err(error) => Err(error),
    }
}

/// By position; a row that is missing or carries another id tells nothing about what was sent.
fn judge_rows(
    sent: &[(u64, Value)],
    answer: &Value,
    judge: impl Fn(&Value, &Value) -> ItemOutcome,
) -> Vec<ItemOutcome> {
    let nothing = Vec::new();
    let rows = answer
        .get("update")
        .and_then(Value::as_array)
        .unwrap_or(&nothing);
    let row = |(position, (id, sent)): (usize, &(u64, Value))| match rows.get(position) {
        Some(row) if row.get("id").and_then(Value::as_u64) == Some(*id) => {
            match row.get("error").and_then(StoreError::from_value) {
                Some(error) => row_error(&error),
                None if row.get("error").is_some() => ItemOutcome::Unknown,
                None if in_trash(row) => codes::ARTICLE_IN_TRASH.rejected(""),
                None => judge(sent, row),
            }
        }
        _ => ItemOutcome::Unknown,
    };
    sent.iter().enumerate().map(row).collect()
}

/// Written to the trash: 200, without effect (recording 117).
fn in_trash(row: &Value) -> bool {
    row.get("status").and_then(Value::as_str) == Some("trash")
}

fn row_error(error: &StoreError) -> ItemOutcome {
    let code = match error.code.as_str() {
        "woocommerce_rest_invalid_product_id" => codes::ARTICLE_IS_VARIATION,
        _ if error.is_about_a_missing_id() => codes::ARTICLE_GONE,
        _ if matches!(error.status, Some(401 | 403)) => codes::ROW_FORBIDDEN,
        _ if error.status.is_some_and(|status| status >= 500) => return ItemOutcome::Unknown,
        _ => codes::ROW_REFUSED,
    };
    code.rejected(&error.words())
}
