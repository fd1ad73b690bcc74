//! Reading orders: everything modified since an instant, then what is in the trash, which the store
//! shows only when asked for by name (recordings 83, 84).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use storelink_adapter_api::{
    AdapterError, ErrorClass, OrderHead, OrderHeads, OrderPage, OrderReading, OrderWindow,
    Position, Purpose, StoreAccess, Unreadable,
};
use storelink_outbound_http::{Effect, lenient_json};

use crate::api::{Answer, Api, Call};
use crate::walk::{LARGEST_PAGE, Page, SMALLEST_PAGE, Seen, Stage, Stuck, gmt_seconds, gmt_time};
use crate::{bounds, codes, failure, normalise};

/// What a head needs: the store then leaves out what makes an order large or crash.
const HEAD_FIELDS: &str = "id,status,date_created_gmt,date_modified_gmt";
/// Orders whose refunds are fetched within one page: each costs a request of its own.
const REFUNDED_ORDERS_PER_PAGE: usize = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    trash: bool,
    stage: Stage,
}

impl Place {
    /// A position that cannot be read (one of another version) starts the window anew: showing an
    /// order twice does no harm.
    fn of(window: &OrderWindow, position: Option<&Position>) -> Self {
        let start = Self {
            trash: false,
            stage: Stage::since(window.modified_since),
        };
        let Some(position) = position else {
            return start;
        };
        serde_json::from_value(position.0.clone()).unwrap_or_else(|_| {
            tracing::warn!("a position of an order walk is not readable; the walk starts anew");
            start
        })
    }

    fn call(&self, page_size: u64) -> Call {
        let mut query = self.stage.query(page_size);
        if self.trash {
            query.push(("status".into(), "trash".into()));
        }
        Call {
            query,
            ..Call::get("orders", &[])
        }
    }

    /// The same page without contents.
    fn call_for_heads(&self, page_size: u64) -> Call {
        let mut call = self.call(page_size);
        call.query.push(("_fields".into(), HEAD_FIELDS.into()));
        call
    }

    fn next(
        &self,
        window: &OrderWindow,
        page_size: u64,
        page: &Page<'_>,
    ) -> Result<Option<Position>, AdapterError> {
        let next = match self.stage.next(page_size, page).map_err(stuck)? {
            Some(stage) => Self { stage, ..*self },
            None if self.trash => return Ok(None),
            None => Self {
                trash: true,
                stage: Stage::since(window.modified_since),
            },
        };
        Ok(serde_json::to_value(next).ok().map(Position))
    }
}

/// What is needed of an order before it is understood.
struct Head {
    id: u64,
    status: String,
    created: Option<String>,
    modified: Option<String>,
    refunded: bool,
}

impl Head {
    fn of(raw: &RawValue) -> Option<Self> {
        let order: Value = serde_json::from_str(raw.get()).ok()?;
        let text = |name: &str| order.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            id: order.get("id")?.as_u64()?,
            status: text("status").unwrap_or_default(),
            created: text("date_created_gmt"),
            modified: text("date_modified_gmt"),
            refunded: order
                .get("refunds")
                .and_then(Value::as_array)
                .is_some_and(|r| !r.is_empty()),
        })
    }

    /// A checkout that was never finished; newer stores leave it out by themselves (sheet section 5).
    fn is_draft(&self) -> bool {
        matches!(self.status.as_str(), "checkout-draft" | "auto-draft")
    }

    fn seen(&self) -> Seen {
        Seen {
            id: self.id,
            modified: self.modified.as_deref().and_then(gmt_seconds),
        }
    }

    fn forget_time_up_to(&mut self, bound: Option<i64>) {
        if self.seen().behind(bound).modified.is_none() {
            self.modified = None;
        }
    }

    fn to_order_head(&self) -> OrderHead {
        OrderHead {
            external_id: self.id.to_string(),
            created: self.created.as_deref().and_then(gmt_time),
            modified: self.modified.as_deref().and_then(gmt_time),
        }
    }
}

pub(crate) async fn read_page(
    access: &StoreAccess,
    window: &OrderWindow,
    position: Option<&Position>,
) -> Result<OrderPage, AdapterError> {
    let api = Api::new(access)?;
    let page_size = order_page_size(access, window);
    let place = Place::of(window, position);
    let (answer, heads) = ask(&api, &place, &place.call(page_size)).await?;

    let rows = answer.value.len();
    let mut used = Vec::with_capacity(rows);
    let mut orders = Vec::with_capacity(rows);
    let mut refunded = 0;
    for (raw, head) in answer.value.into_iter().zip(heads) {
        refunded += usize::from(head.refunded);
        if refunded > REFUNDED_ORDERS_PER_PAGE {
            break;
        }
        used.push(head.seen());
        if !head.is_draft() {
            orders.push(reading(&api, raw, &head).await?);
        }
    }
    let page = Page {
        used: &used,
        rows,
        total_pages: answer.total_pages,
        before_request: answer.before_request.datetime().unix_timestamp(),
    };
    let next = place.next(window, page_size, &page)?;
    Ok(OrderPage {
        orders,
        next,
        store_time: answer.store_time,
    })
}

/// Lists one page without contents.
pub(crate) async fn list_page(
    access: &StoreAccess,
    window: &OrderWindow,
    position: Option<&Position>,
) -> Result<OrderHeads, AdapterError> {
    let api = Api::new(access)?;
    let page_size = order_page_size(access, window);
    let place = Place::of(window, position);
    let (answer, heads) = ask(&api, &place, &place.call_for_heads(page_size)).await?;
    let used: Vec<Seen> = heads.iter().map(Head::seen).collect();
    let page = Page {
        used: &used,
        rows: answer.value.len(),
        total_pages: answer.total_pages,
        before_request: answer.before_request.datetime().unix_timestamp(),
    };
    let next = place.next(window, page_size, &page)?;
    let heads = heads.iter().filter(|head| !head.is_draft());
    Ok(OrderHeads {
        heads: heads.map(Head::to_order_head).collect(),
        next,
        store_time: answer.store_time,
    })
}

/// One page of a list with the heads of its rows, whose times can be relied on.
async fn ask(
    api: &Api<'_>,
    place: &Place,
    call: &Call,
) -> Result<(Answer<Vec<Box<RawValue>>>, Vec<Head>), AdapterError> {
    let answer: Answer<Vec<Box<RawValue>>> = api.ask(call, Purpose::Orders).await?;
    let mut heads = Vec::with_capacity(answer.value.len());
    for raw in &answer.value {
        heads.push(Head::of(raw).ok_or_else(|| without_id("orders"))?);
    }
    let seen = heads.iter().map(Head::seen);
    bounds::check(api, call, &place.stage, seen, Purpose::Orders).await?;
    let bound = place.stage.bound();
    for head in &mut heads {
        head.forget_time_up_to(bound);
    }
    Ok((answer, heads))
}

/// Reads one order. A checkout that was never finished is no order yet.
pub(crate) async fn read_one(
    access: &StoreAccess,
    external_id: &str,
) -> Result<Option<OrderReading>, AdapterError> {
    let Ok(id) = external_id.parse::<u64>() else {
        return Ok(None);
    };
    let api = Api::new(access)?;
    let call = Call::get(format!("orders/{id}"), &[]);
    let raw: Box<RawValue> = match api.ask(&call, Purpose::Orders).await {
        Ok(answer) => answer.value,
        Err(error) if error.code == codes::NOT_FOUND.code => return Ok(None),
        Err(error) => return Err(error),
    };
    let head = Head::of(&raw).ok_or_else(|| without_id("orders"))?;
    if head.is_draft() {
        return Ok(None);
    }
    reading(&api, raw, &head).await.map(Some)
}

/// What only this order can be the cause of makes it alone unreadable: its own form, or refunds that
/// the store refuses to give whenever it is asked. A request that fails for another reason fails the
/// page, so that nothing is left out.
async fn reading(
    api: &Api<'_>,
    raw: Box<RawValue>,
    head: &Head,
) -> Result<OrderReading, AdapterError> {
    let order = match normalise::wire_order(&raw) {
        Err(unreadable) => Err(unreadable),
        Ok(wire) => {
            let named = wire.refund_ids().next().is_some();
            let refunds = if named {
                refunds(api, head.id).await
            } else {
                Ok(Vec::new())
            };
            match refunds {
                Ok(refunds) => wire.normalise(&refunds, api.profile()).map(Box::new),
                Err(error) if error.class == ErrorClass::Rejected => Err(Unreadable {
                    code: codes::REFUND_MISSING.code.to_owned(),
                    text: format!("{} {}", codes::REFUND_MISSING.cause, error.text),
                }),
                Err(error) => return Err(error),
            }
        }
    };
    let OrderHead {
        external_id,
        created,
        modified,
    } = head.to_order_head();
    Ok(OrderReading {
        external_id,
        created,
        modified,
        raw,
        order,
    })
}

/// All refunds of an order. They are few and only grow, so pages by number do.
async fn refunds(api: &Api<'_>, order: u64) -> Result<Vec<Box<RawValue>>, AdapterError> {
    let mut all = Vec::new();
    for page in 1..=50_u32 {
        let number = page.to_string();
        let query = [("per_page", "100"), ("page", number.as_str())];
        let call = Call::get(format!("orders/{order}/refunds"), &query);
        let answer: Answer<Vec<Box<RawValue>>> = match api.ask(&call, Purpose::Orders).await {
            // The order was deleted for good between two requests: its refunds are missing.
            Err(error) if error.code == codes::NOT_FOUND.code => break,
            other => other?,
        };
        let rows = answer.value.len();
        all.extend(answer.value);
        let announced = answer
            .total_pages
            .is_some_and(|pages| pages > u64::from(page));
        if rows == 0 || (rows < 100 && !announced) {
            break;
        }
    }
    Ok(all)
}

/// How many rows are asked for at once: an option for stores that are too slow for full pages.
pub(crate) fn page_size(access: &StoreAccess) -> u64 {
    let chosen = access.options.get("page_size").and_then(Value::as_u64);
    chosen
        .unwrap_or(LARGEST_PAGE)
        .clamp(SMALLEST_PAGE, LARGEST_PAGE)
}

/// The same for orders, or fewer where the caller asks for that.
fn order_page_size(access: &StoreAccess, window: &OrderWindow) -> u64 {
    let limit = window.page_limit.map_or(LARGEST_PAGE, u64::from);
    page_size(access).min(limit).max(SMALLEST_PAGE)
}

pub(crate) fn stuck(Stuck: Stuck) -> AdapterError {
    codes::ANSWER_NOT_UNDERSTOOD.error_with(
        ErrorClass::Transient,
        "A whole page has no time of modification.",
    )
}

pub(crate) fn without_id(list: &str) -> AdapterError {
    let why = lenient_json::NotUnderstood::WrongShape {
        path: format!("{list}[].id"),
        detail: "expected a number".to_owned(),
    };
    failure::of_body(&why, Effect::Read)
}
