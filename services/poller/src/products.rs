//! Walking over the products of a store.

use storelink_adapter_api::{ErrorClass, ProductWindow, UnreadableProduct};
use storelink_bus::streams::names;
use storelink_model::Timestamp;
use storelink_runtime::Instant;
use storelink_service::LinkedConnection;
use time::Duration;

use crate::PollerError;
use crate::cursor::{ClockReading, Counts, Next, PageRead, Rules, Sighting, Walk};
use crate::cursor_store::{Kept, Loaded};
use crate::hand_on::{self, ReadMark};
use crate::reading::{self, Numbered};
use crate::run::{Ended, Run};
use crate::worker::{Job, Poller};

/// Stores do not date every change of a product (a variation, a plugin's field), so everything is read
/// after this time whatever the schedule: less than a day, so that a daily schedule always does.
const FULL_AFTER: Duration = Duration::hours(20);

/// Walks over the products: all of them, or those that the store says were changed.
pub(crate) async fn walk(job: &Job<'_>) -> Result<Ended, PollerError> {
    let poller = job.poller;
    let mut loaded = load(job).await?;
    let link = &job.link;
    let access = match job.access(link) {
        Ok(access) => access,
        Err(failure) => return Ok(Ended::Over(Run::failed(failure))),
    };
    let rules = rules(poller, job, &loaded.state);
    let mut walk = resume_or_begin(job, &mut loaded, &rules);
    let mut resumed = walk.position.is_some();
    let deadline = Instant::now() + poller.settings.walk_yield;

    loop {
        match poller.current(&link.record.id) {
            // Its pages would be those of another store.
            Ok(current) if current.record.address != link.record.address => {
                return Ok(Ended::Yielded);
            }
            Ok(_) => {}
            Err(failure) => return Ok(Ended::Over(over(&walk).failed_by(failure))),
        }
        let window = ProductWindow {
            modified_since: walk.since,
        };
        let (window, position) = (&window, walk.position.as_ref());
        let (paged, _room) = job.with_room(&access);
        let read = reading::read(&*poller.cursors, &link.record.id, || {
            link.adapter.read_products(&paged, window, position)
        });
        let Numbered {
            value: page,
            number,
            sent,
            took,
        } = match read.await? {
            Ok(page) => page,
            Err(error) => {
                if resumed && error.class == ErrorClass::Rejected {
                    loaded.walk = None;
                    loaded.save(&*poller.cursors).await?;
                }
                return Ok(Ended::after(&error, walk.counts, walk.watermark()));
            }
        };
        resumed = false;

        let offset = loaded.state.cursor.clock_offset_micros;
        let clock = ClockReading::of_request(sent, took, page.store_time, offset);
        let sightings: Vec<Sighting> = page
            .products
            .iter()
            .map(|product| Sighting {
                modified: product.modified,
                news: false,
            })
            .chain(page.unreadable.iter().map(|product| Sighting {
                modified: product.modified,
                news: false,
            }))
            .collect();
        let mark = ReadMark {
            record: &link.record,
            number,
            at: sent,
            run_trace: job.trace.as_deref(),
        };
        note_unreadable(link, &page.unreadable);
        let unreadable = count(page.unreadable.len());
        let readable = count(page.products.len());
        let too_large = hand_on::products(&*poller.streams, mark, page.products).await?;
        let read = readable.saturating_add(unreadable);
        walk.counts.add(Counts {
            read,
            changed: readable.saturating_sub(too_large),
            failed: unreadable.saturating_add(too_large),
            ..Counts::default()
        });
        poller.metrics.products(&link.record.platform, read);

        let read = PageRead {
            clock,
            arrived: Timestamp::now(),
            sightings,
            next: page.next,
        };
        match walk.page(&loaded.state.cursor, &rules, read) {
            Next::Page => {
                loaded.walk = Some(walk.clone());
                loaded.save(&*poller.cursors).await?;
            }
            Next::Finished(cursor) => {
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

/// Products that cannot be understood are left out one by one; what was known of them stays.
fn note_unreadable(link: &LinkedConnection, products: &[UnreadableProduct]) {
    for product in products {
        tracing::warn!(
            connection = %link.record.id,
            product = product.external_id,
            code = product.reason.code,
            text = product.reason.text,
            "a product is left out"
        );
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn over(walk: &Walk) -> Run {
    Run {
        counts: walk.counts,
        watermark: walk.watermark(),
        failure: None,
    }
}

async fn load(job: &Job<'_>) -> Result<Loaded, PollerError> {
    let poller = job.poller;
    let connection = &job.link.record.id;
    let mut loaded = Loaded::load(&*poller.cursors, connection, "products").await?;
    let stream = poller.streams.identity(names::PRODUCTS).await?;
    loaded.place(&job.link.record.address, stream);
    Ok(loaded)
}

fn rules(poller: &Poller, job: &Job<'_>, kept: &Kept) -> Rules {
    let verified = job
        .link
        .record
        .profile
        .clock_difference_seconds
        .unwrap_or_default();
    let measured = kept.cursor.clock_offset_micros;
    let overlap = i64::try_from(poller.settings.overlap.as_micros()).unwrap_or(i64::MAX / 4);
    Rules {
        overlap: Duration::microseconds(overlap),
        clock_error: Rules::clock_error(&[measured, verified.saturating_mul(1_000_000)]),
        start: None,
        passes: 1,
    }
}

fn resume_or_begin(job: &Job<'_>, loaded: &mut Loaded, rules: &Rules) -> Walk {
    let now = Timestamp::now();
    let due = |last: Timestamp| now.since(last) >= FULL_AFTER;
    let full = job.job.full || loaded.state.cursor.last_full.is_none_or(due);
    match loaded
        .walk
        .take()
        .filter(|walk| walk.serves(rules, full, now))
    {
        Some(walk) => walk.for_run(&job.job.run),
        None => Walk::begin(&loaded.state.cursor, rules, job.job.run.clone(), full, now),
    }
}
