//! Orders that a store shows in its list and does not give.
//!
//! One order can make a store fail on every page that holds it: a plugin crashes on one of its lines, or
//! it is larger than any answer may be. So a page that fails is asked for with fewer orders, then without
//! contents, and its orders are read one by one. What the store does not give even then is **withheld**.
//!
//! The rule for the cursor: it passes an order only when that order was handed on. A withheld one is
//! handed on without its content, so that the ledger has it and a person sees it, and its id is kept in
//! the row of the cursor, by the write that moves it. Every later walk asks for such orders again.
//!
//! An order counts as withheld only when the store gives another order in the same way at the same time;
//! else the store as a whole is in trouble, and the walk fails and stays where it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use storelink_adapter_api::{
    AdapterError, ErrorClass, OrderHead, OrderReading, StoreAccess, Unreadable,
};
use storelink_model::Timestamp;
use storelink_service::LinkedConnection;

use crate::PollerError;
use crate::cursor::{ClockReading, Counts, PageRead, Sighting, Walk};
use crate::cursor_store::Kept;
use crate::hand_on::ReadMark;
use crate::orders::{hand_on_page, window};
use crate::reading::{self, Numbered};
use crate::worker::Job;

/// So many orders are asked for where a full page fails.
const FEW: u32 = 10;
/// After so many without one that is given, an order that is known is asked for: it may be the store.
const IN_A_ROW: usize = 3;
/// More than so many of one connection are no single odd orders any more: its walks stop.
const MOST: usize = 50;
/// Of those that were withheld, so many are asked for again in each walk.
const AGAIN: usize = 3;

/// An order that the store did not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Withheld {
    pub(crate) external_id: String,
    /// When it was asked for last, by our clock.
    pub(crate) tried: Timestamp,
}

/// What comes of a page that failed.
pub(crate) enum Narrowed {
    /// It is asked for again, with fewer orders: the walk says how many.
    Fewer,
    /// Its orders were read one by one and handed on.
    OneByOne(PageRead, Counts),
    /// The store is in trouble.
    Failed(AdapterError),
}

/// Where orders are read one by one.
pub(crate) struct Place<'a> {
    pub(crate) job: &'a Job<'a>,
    pub(crate) link: &'a Arc<LinkedConnection>,
    pub(crate) access: &'a StoreAccess,
}

/// Goes on after a page failed.
pub(crate) async fn narrow(
    place: &Place<'_>,
    walk: &mut Walk,
    kept: &mut Kept,
    error: AdapterError,
) -> Result<Narrowed, PollerError> {
    if !is_of_some_order(&error) {
        return Ok(Narrowed::Failed(error));
    }
    if walk.page_limit.is_none() {
        walk.page_limit = Some(FEW);
        return Ok(Narrowed::Fewer);
    }
    let poller = place.job.poller;
    let (window, position) = (window(walk), walk.position.clone());
    let list = reading::read_once(&*poller.cursors, &place.link.record.id, || {
        let adapter = &place.link.adapter;
        adapter.list_orders(place.access, &window, position.as_ref())
    });
    let Numbered {
        value,
        number,
        sent,
        took,
    } = match list.await? {
        Ok(list) => list,
        Err(other) if !is_of_some_order(&other) => return Ok(Narrowed::Failed(other)),
        Err(_) => return Ok(Narrowed::Failed(error)),
    };
    let Some(list) = value else {
        return Ok(Narrowed::Failed(error));
    };

    let mut page = Singles::default();
    for head in list.heads {
        match place.read_one(&head.external_id, walk.full, kept).await? {
            One::Given(sightings, counts) => {
                page.sightings.extend(sightings);
                page.counts.add(counts);
                page.given += 1;
                kept.withheld
                    .retain(|known| known.external_id != head.external_id);
            }
            One::Gone => {}
            One::Withheld(error) => page.withheld.push((head, error)),
            One::Trouble(error) => return Ok(Narrowed::Failed(error)),
        }
        if page.given == 0 && page.withheld.len() == IN_A_ROW {
            page.other = place.gives_another(kept, &page.withheld).await?;
            if page.other == Some(false) {
                return Ok(Narrowed::Failed(error));
            }
        }
    }
    if page.given == 0 && !page.withheld.is_empty() && page.other.is_none() {
        page.other = place.gives_another(kept, &page.withheld).await?;
    }
    let proven = page.given > 0 || page.withheld.is_empty() || page.other == Some(true);
    if !proven {
        return Ok(Narrowed::Failed(error));
    }
    let mark = place.mark(number, sent);
    if let Some(error) = page.hand_on_withheld(place, mark, walk.full, kept).await? {
        return Ok(Narrowed::Failed(error));
    }
    // What fails was found; the rest is read as before.
    walk.page_limit = None;
    let offset = kept.cursor.clock_offset_micros;
    let read = PageRead {
        clock: ClockReading::of_request(sent, took, list.store_time, offset),
        arrived: Timestamp::now(),
        sightings: page.sightings,
        next: list.next,
    };
    Ok(Narrowed::OneByOne(read, page.counts))
}

/// Asks again for some of the orders that were withheld, those first that were not asked for longest.
pub(crate) async fn ask_again(place: &Place<'_>, kept: &mut Kept) -> Result<Counts, PollerError> {
    let mut counts = Counts::default();
    kept.withheld.sort_by_key(|known| known.tried);
    let again: Vec<String> = kept
        .withheld
        .iter()
        .take(AGAIN)
        .map(|known| known.external_id.clone())
        .collect();
    for id in again {
        match place.read_one(&id, false, kept).await? {
            One::Given(_, more) => {
                counts.add(more);
                kept.withheld.retain(|known| known.external_id != id);
            }
            // What it means that an order is gone is for the daily comparison to find out.
            One::Gone => kept.withheld.retain(|known| known.external_id != id),
            One::Withheld(_) => {
                let known = kept.withheld.iter_mut();
                known
                    .filter(|known| known.external_id == id)
                    .for_each(|known| known.tried = Timestamp::now());
            }
            One::Trouble(_) => break,
        }
    }
    Ok(counts)
}

/// The orders of a page that were read one by one.
#[derive(Default)]
struct Singles {
    sightings: Vec<Sighting>,
    counts: Counts,
    given: usize,
    withheld: Vec<(OrderHead, AdapterError)>,
    /// Whether the store gives an order that is on no page of this; none where none is known.
    other: Option<bool>,
}

enum One {
    Given(Vec<Sighting>, Counts),
    Gone,
    Withheld(AdapterError),
    Trouble(AdapterError),
}

impl Singles {
    /// Hands on that these orders are there; the error when there are too many.
    async fn hand_on_withheld(
        &mut self,
        place: &Place<'_>,
        mark: ReadMark<'_>,
        always: bool,
        kept: &mut Kept,
    ) -> Result<Option<AdapterError>, PollerError> {
        for (head, error) in std::mem::take(&mut self.withheld) {
            let settings = &mark.record.settings;
            let wanted = head
                .created
                .is_none_or(|created| settings.wants_order_placed(created));
            let id = &head.external_id;
            let known = kept.withheld.iter().any(|known| known.external_id == *id);
            if wanted && !known {
                if kept.withheld.len() >= MOST {
                    return Ok(Some(too_many()));
                }
                tracing::warn!(
                    connection = %mark.record.id,
                    order = id,
                    code = error.code,
                    text = error.text,
                    "the store does not give an order"
                );
                kept.withheld.push(Withheld {
                    external_id: id.clone(),
                    tried: Timestamp::now(),
                });
            }
            let reading = vec![without_content(head, &error)?];
            let poller = place.job.poller;
            let (sightings, counts) = hand_on_page(poller, mark, reading, always, kept).await?;
            self.sightings.extend(sightings);
            self.counts.add(counts);
        }
        Ok(None)
    }
}

impl Place<'_> {
    async fn read_one(&self, id: &str, always: bool, kept: &mut Kept) -> Result<One, PollerError> {
        let poller = self.job.poller;
        let (access, _room) = self.job.with_room(self.access);
        let read = reading::read(&*poller.cursors, &self.link.record.id, || {
            self.link.adapter.read_order(&access, id)
        });
        match read.await? {
            Ok(Numbered {
                value: Some(order),
                number,
                sent,
                ..
            }) => {
                let mark = self.mark(number, sent);
                let order = vec![order];
                let (sightings, counts) = hand_on_page(poller, mark, order, always, kept).await?;
                Ok(One::Given(sightings, counts))
            }
            Ok(_) => Ok(One::Gone),
            Err(error) if is_of_some_order(&error) => Ok(One::Withheld(error)),
            Err(error) => Ok(One::Trouble(error)),
        }
    }

    /// Whether the store gives some other order right now; none where no other is known.
    async fn gives_another(
        &self,
        kept: &mut Kept,
        but: &[(OrderHead, AdapterError)],
    ) -> Result<Option<bool>, PollerError> {
        let poller = self.job.poller;
        let known = poller.handovers.latest(&self.link.record.id).await?;
        let other = known.iter().find(|id| {
            let withheld = kept.withheld.iter().any(|known| known.external_id == **id);
            !withheld && but.iter().all(|(head, _)| head.external_id != **id)
        });
        let Some(id) = other else {
            return Ok(None);
        };
        let read = self.read_one(id, false, kept).await?;
        Ok(Some(matches!(read, One::Given(..))))
    }

    pub(crate) fn mark(&self, number: i64, at: Timestamp) -> ReadMark<'_> {
        ReadMark {
            record: &self.link.record,
            number,
            at,
            run_trace: self.job.trace.as_deref(),
        }
    }
}

/// Whether one order may be the cause, so that others could still be read: the store answered and did
/// not succeed, was too slow, or had too much to say.
fn is_of_some_order(error: &AdapterError) -> bool {
    match error.code {
        "http.timeout" | "http.response_too_large" | "http.connection_broken" => true,
        code if code.starts_with("http.") || code.starts_with("gate.") => false,
        _ => matches!(error.class, ErrorClass::Transient | ErrorClass::Rejected),
    }
}

/// The same words at each reading, so that an order that stays withheld is no news.
fn without_content(head: OrderHead, error: &AdapterError) -> Result<OrderReading, PollerError> {
    let raw = serde_json::json!({ "id": head.external_id, "withheld": true });
    let raw = RawValue::from_string(raw.to_string())
        .map_err(|error| PollerError::Encode(error.to_string()))?;
    Ok(OrderReading {
        external_id: head.external_id,
        created: head.created,
        modified: head.modified,
        raw,
        order: Err(Unreadable {
            code: "order.withheld".to_owned(),
            text: format!(
                "The store lists this order but does not give it, while it gives others. {}",
                error.text
            ),
        }),
    })
}

fn too_many() -> AdapterError {
    let text = format!(
        "The store lists more than {MOST} orders that it does not give: this is no odd order but a \
         fault of the store."
    );
    AdapterError::new(ErrorClass::Rejected, "poller.too_many_withheld", text).with_remedy(
        "Look into the store's error log for what fails when an order is opened by its interface.",
    )
}
