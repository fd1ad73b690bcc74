//! Walking over the orders of a store.

use std::collections::{BTreeMap, HashSet};

use storelink_adapter_api::{AdapterError, ErrorClass, OrderPage, OrderReading, OrderWindow};
use storelink_bus::streams::names;
use storelink_model::Timestamp;
use storelink_order::ContentHash;
use storelink_planted_faults::planted;
use storelink_runtime::Instant;
use storelink_service::LinkedConnection;
use time::Duration;

use crate::PollerError;
use crate::cursor::{ClockReading, Counts, Next, PageRead, Rules, Sighting, Walk};
use crate::cursor_store::{Anew, Kept, Loaded};
use crate::hand_on::{self, ReadMark};
use crate::handover::{self, Handover, Seen};
use crate::reading::{self, Numbered};
use crate::run::{Ended, Run};
use crate::withheld::{self, Narrowed, Place};
use crate::worker::{Job, Poller};

/// What a store keeps showing as new before the mark is left to the next run after so many passes.
const PASSES: u32 = 5;
/// Rows of orders stay for this long after no walk shows them any more: a read that was held up for so
/// long is none of ours.
const KEPT_AFTERWARDS: Duration = Duration::days(2);
/// The year 2000: no store asks for more, and not every one understands a date much further back.
const EARLIEST: i64 = 946_684_800_000_000;

/// Walks over the orders until nothing new shows, the time is over, or something fails.
pub(crate) async fn walk(job: &Job<'_>) -> Result<Ended, PollerError> {
    let poller = job.poller;
    let mut loaded = load(job).await?;
    let mut link = job.link.clone();
    let mut access = match job.access(&link) {
        Ok(access) => access,
        Err(failure) => return Ok(Ended::Over(Run::failed(failure))),
    };
    let rules = rules(poller, &link, &loaded.state);
    loaded.state.cursor.read_by(&rules);
    let mut walk = resume_or_begin(job, &mut loaded, &rules);
    let mut resumed = walk.position.is_some();
    let deadline = Instant::now() + poller.settings.walk_yield;
    if !resumed {
        let place = Place {
            job,
            link: &link,
            access: &access,
        };
        let counts = withheld::ask_again(&place, &mut loaded.state).await?;
        walk.counts.add(counts);
        poller.metrics.orders(&link.record.platform, counts);
    }

    loop {
        match poller.current(&link.record.id) {
            Ok(current) if current.record.revision != link.record.revision => {
                // What is wanted changed, and with it where the walk has to begin.
                let moved = current.record.address != link.record.address;
                if moved || order_start(&current) != rules.start {
                    return Ok(Ended::Yielded);
                }
                link = current;
                access = match job.access(&link) {
                    Ok(access) => access,
                    Err(failure) => return Ok(Ended::Over(Run::failed(failure))),
                };
            }
            Ok(_) => {}
            Err(failure) => return Ok(Ended::Over(over(&walk).failed_by(failure))),
        }
        let (paged, _room) = job.with_room(&access);
        let place = Place {
            job,
            link: &link,
            access: &paged,
        };
        let (read, counts) = match read_page(&place, &walk).await? {
            Ok(page) => hand_on_whole(&place, page, &walk, &mut loaded.state).await?,
            Err(error) => {
                match withheld::narrow(&place, &mut walk, &mut loaded.state, error).await? {
                    Narrowed::Fewer => continue,
                    Narrowed::OneByOne(read, counts) => (read, counts),
                    Narrowed::Failed(error) => {
                        if resumed && error.class == ErrorClass::Rejected {
                            // The saved position may be one that the store no longer takes.
                            loaded.walk = None;
                            loaded.save(&*poller.cursors).await?;
                        }
                        return Ok(Ended::after(&error, walk.counts, walk.watermark()));
                    }
                }
            }
        };
        resumed = false;
        walk.counts.add(counts);
        poller.metrics.orders(&link.record.platform, counts);

        match walk.page(&loaded.state.cursor, &rules, read) {
            Next::Page => {
                loaded.walk = Some(walk.clone());
                loaded.save(&*poller.cursors).await?;
            }
            Next::Finished(cursor) => {
                if let Some(mark) = cursor.mark {
                    let reach = Duration::microseconds(cursor.last_walk_micros) + rules.overlap;
                    let before = mark.saturating_sub(reach + rules.clock_error + KEPT_AFTERWARDS);
                    poller.handovers.prune(&link.record.id, before).await?;
                }
                loaded.state.cursor = cursor;
                loaded.walk = None;
                loaded.save(&*poller.cursors).await?;
                return Ok(Ended::Over(over(&walk)));
            }
        }
        if Instant::now() >= deadline || poller.shutdown.is_cancelled() {
            return Ok(Ended::Yielded);
        }
    }
}

fn over(walk: &Walk) -> Run {
    Run {
        counts: walk.counts,
        watermark: walk.watermark(),
        failure: None,
    }
}

/// The cursor; a void one for another stream than that which took what the cursor speaks of, because
/// what that one held may never have reached the ledger, and for a store that was moved.
async fn load(job: &Job<'_>) -> Result<Loaded, PollerError> {
    let poller = job.poller;
    let connection = &job.link.record.id;
    let mut loaded = Loaded::load(&*poller.cursors, connection, "orders").await?;
    let stream = poller.streams.identity(names::ORDERS).await?;
    if loaded.place(&job.link.record.address, stream) == Some(Anew::Stream) {
        poller.handovers.forget(connection).await?;
    }
    Ok(loaded)
}

fn rules(poller: &Poller, link: &LinkedConnection, kept: &Kept) -> Rules {
    let verified = link
        .record
        .profile
        .clock_difference_seconds
        .unwrap_or_default();
    let measured = kept.cursor.clock_offset_micros;
    let overlap = i64::try_from(poller.settings.overlap.as_micros()).unwrap_or(i64::MAX / 4);
    Rules {
        overlap: Duration::microseconds(overlap),
        clock_error: Rules::clock_error(&[measured, verified.saturating_mul(1_000_000)]),
        start: order_start(link),
        passes: PASSES,
    }
}

fn order_start(link: &LinkedConnection) -> Option<Timestamp> {
    let start = link.record.settings.order_start;
    Some(start.max(Timestamp::from_micros(EARLIEST)))
}

fn resume_or_begin(job: &Job<'_>, loaded: &mut Loaded, rules: &Rules) -> Walk {
    let (run, full) = (&job.job.run, job.job.full);
    let now = Timestamp::now();
    match loaded
        .walk
        .take()
        .filter(|walk| walk.serves(rules, full, now))
    {
        Some(walk) => walk.for_run(run),
        None => Walk::begin(&loaded.state.cursor, rules, run.clone(), full, now),
    }
}

/// What the pass under way asks for.
pub(crate) fn window(walk: &Walk) -> OrderWindow {
    OrderWindow {
        modified_since: walk.since.unwrap_or(Timestamp::from_micros(EARLIEST)),
        page_limit: walk.page_limit,
    }
}

async fn read_page(
    place: &Place<'_>,
    walk: &Walk,
) -> Result<Result<Numbered<OrderPage>, AdapterError>, PollerError> {
    let (cursors, connection) = (&*place.job.poller.cursors, &place.link.record.id);
    let (window, position) = (&window(walk), walk.position.as_ref());
    let request = || {
        let adapter = &place.link.adapter;
        adapter.read_orders(place.access, window, position)
    };
    if walk.page_limit.is_some() {
        reading::read_once(cursors, connection, request).await
    } else {
        reading::read(cursors, connection, request).await
    }
}

async fn hand_on_whole(
    place: &Place<'_>,
    page: Numbered<OrderPage>,
    walk: &Walk,
    kept: &mut Kept,
) -> Result<(PageRead, Counts), PollerError> {
    let Numbered {
        value: page,
        number,
        sent,
        took,
    } = page;
    let offset = kept.cursor.clock_offset_micros;
    let clock = ClockReading::of_request(sent, took, page.store_time, offset);
    let mark = place.mark(number, sent);
    if !kept.withheld.is_empty() {
        let given: HashSet<&str> = page
            .orders
            .iter()
            .map(|order| order.external_id.as_str())
            .collect();
        kept.withheld
            .retain(|known| !given.contains(known.external_id.as_str()));
    }
    let poller = place.job.poller;
    let (sightings, counts) = hand_on_page(poller, mark, page.orders, walk.full, kept).await?;
    let read = PageRead {
        clock,
        arrived: Timestamp::now(),
        sightings,
        next: page.next,
    };
    Ok((read, counts))
}

/// Publishes what is new on a page, with `always` what is known, too, and waits until the stream has it.
pub(crate) async fn hand_on_page(
    poller: &Poller,
    mark: ReadMark<'_>,
    orders: Vec<OrderReading>,
    always: bool,
    kept: &mut Kept,
) -> Result<(Vec<Sighting>, Counts), PollerError> {
    let connection = &mark.record.id;
    let orders = distinct(orders);
    let mut counts = Counts {
        read: count(orders.len()),
        ..Counts::default()
    };
    let settings = &mark.record.settings;
    let (wanted, ignored): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| {
        order
            .created
            .is_none_or(|created| settings.wants_order_placed(created))
    });
    counts.ignored = count(ignored.len());
    counts.failed = count(wanted.iter().filter(|order| order.order.is_err()).count());
    let mut sightings: Vec<Sighting> = ignored
        .iter()
        .map(|order| Sighting {
            modified: order.modified,
            news: false,
        })
        .collect();
    if wanted.is_empty() {
        return Ok((sightings, counts));
    }

    let seen: Vec<Seen> = wanted
        .iter()
        .map(|order| seen(order, mark.number))
        .collect();
    let reached = (!always).then(|| kept.reached());
    let decided = handover::decide_page(&*poller.handovers, connection, &seen, reached).await?;
    let to_publish: Vec<OrderReading> = wanted
        .into_iter()
        .zip(&decided)
        .filter_map(|(order, one)| (one.handover == Handover::Publish).then_some(order))
        .collect();
    sightings.extend(seen.iter().zip(&decided).map(|(seen, decided)| Sighting {
        modified: seen.modified,
        news: decided.news,
    }));
    counts.changed = count(to_publish.len());
    if !to_publish.is_empty() {
        let (stored, outcome) = hand_on::orders(&*poller.streams, mark, to_publish).await;
        poller.handovers.mark_stored(connection, &stored).await?;
        for order in &stored {
            kept.acknowledged(order.sequence);
        }
        if !planted!(CursorBeforeAcknowledgements) {
            outcome?;
        }
    }
    if decided.iter().any(|one| one.open) && !planted!(OpenReadPassed) {
        return Err(PollerError::OpenRead);
    }
    Ok((sightings, counts))
}

/// An order that a page shows twice counts as its last showing.
fn distinct(orders: Vec<OrderReading>) -> Vec<OrderReading> {
    let unique: HashSet<&str> = orders
        .iter()
        .map(|order| order.external_id.as_str())
        .collect();
    if unique.len() == orders.len() {
        return orders;
    }
    let mut last: BTreeMap<String, OrderReading> = BTreeMap::new();
    for order in orders {
        last.insert(order.external_id.clone(), order);
    }
    last.into_values().collect()
}

pub(crate) fn seen(order: &OrderReading, read_number: i64) -> Seen {
    let hash = match &order.order {
        Ok(order) => order.content_hash(),
        Err(_) => ContentHash::of_bytes(order.raw.get().as_bytes()),
    };
    Seen {
        external_id: order.external_id.clone(),
        content_hash: hash.as_str().to_owned(),
        read_number,
        modified: order.modified,
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
