//! Reading one order, because somebody asked for it: a hint of the store, or the ledger.

use crate::PollerError;
use crate::cursor::Counts;
use crate::hand_on::{self, ReadMark};
use crate::handover::{self, Handover};
use crate::orders::seen;
use crate::reading::{self, Numbered};
use crate::run::{Ended, Failure, Run};
use crate::worker::Job;

/// How often it is read again because a walk overtook the read.
const ATTEMPTS: usize = 3;

/// Reads one order and hands it on, also when it is known: whoever asks wants to know that this is
/// how the store shows it now. An order that the store does not have is no event: what it means is for
/// the daily comparison to find out.
pub(crate) async fn read(job: &Job<'_>, external_id: &str) -> Result<Ended, PollerError> {
    let poller = job.poller;
    let link = &job.link;
    let access = match job.access(link) {
        Ok(access) => access,
        Err(failure) => return Ok(Ended::Over(Run::failed(failure))),
    };
    for _ in 0..ATTEMPTS {
        let (access, _room) = job.with_room(&access);
        let read = reading::read(&*poller.cursors, &link.record.id, || {
            link.adapter.read_order(&access, external_id)
        });
        let Numbered {
            value,
            number,
            sent,
            ..
        } = match read.await? {
            Ok(read) => read,
            Err(error) => return Ok(Ended::after(&error, Counts::default(), None)),
        };
        let Some(order) = value else {
            let text = format!("the store has no order {external_id}");
            return Ok(Ended::Over(Run::failed(Failure::new(
                "order.not_in_store",
                text,
            ))));
        };
        let mut counts = Counts {
            read: 1,
            ..Counts::default()
        };
        let settings = &link.record.settings;
        if order
            .created
            .is_some_and(|created| !settings.wants_order_placed(created))
        {
            counts.ignored = 1;
            poller.metrics.orders(&link.record.platform, counts);
            return Ok(Ended::Over(Run {
                counts,
                ..Run::default()
            }));
        }
        counts.failed = u64::from(order.order.is_err());
        let seen = seen(&order, number);
        let decided = handover::decide_page(
            &*poller.handovers,
            &link.record.id,
            std::slice::from_ref(&seen),
            None,
        )
        .await?;
        if decided
            .iter()
            .any(|one| one.handover == Handover::Overtaken)
        {
            continue;
        }
        let mark = ReadMark {
            record: &link.record,
            number,
            at: sent,
            run_trace: job.trace.as_deref(),
        };
        let (stored, outcome) = hand_on::orders(&*poller.streams, mark, vec![order]).await;
        poller
            .handovers
            .mark_stored(&link.record.id, &stored)
            .await?;
        outcome?;
        counts.changed = 1;
        poller.metrics.orders(&link.record.platform, counts);
        return Ok(Ended::Over(Run {
            counts,
            ..Run::default()
        }));
    }
    Ok(Ended::Later {
        pause: None,
        reason: "other reads of this order overtake this one".to_owned(),
    })
}
