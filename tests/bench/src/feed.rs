//! What the ERP says to a fleet: levels that only grow, article after article, published as fast as the
//! broker acknowledges or at a given pace.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, context::PublishAckFuture};
use bytes::Bytes;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use crate::clock::now_us;
use crate::sink::{Write, sku};

/// Publications that may be without an acknowledgement at once.
pub(crate) const IN_FLIGHT: usize = 512;
/// How long a publication may be refused for want of room.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Says levels of one warehouse on one subject.
pub(crate) struct Feed {
    jetstream: jetstream::Context,
    subject: String,
    tenant: String,
    warehouse: String,
    articles: u32,
    next: u32,
}

/// How something is said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Values in an event.
    pub(crate) items: u32,
    /// Events in a second; as fast as they are acknowledged when none.
    pub(crate) per_second: Option<u32>,
}

/// One value an event, as fast as they are acknowledged.
pub(crate) const AT_ONCE: Manner = Manner {
    items: 1,
    per_second: None,
};

/// Values that follow each other, and when each was said.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    first: u32,
    articles: u32,
    at_us: Vec<u64>,
}

struct Unacknowledged {
    payload: Bytes,
    id: String,
    acknowledgement: PublishAckFuture,
}

impl Feed {
    pub(crate) fn new(
        jetstream: jetstream::Context,
        subject: String,
        tenant: &str,
        warehouse: &str,
        articles: usize,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            jetstream,
            subject,
            tenant: tenant.to_owned(),
            warehouse: warehouse.to_owned(),
            articles: articles.try_into()?,
            next: 1,
        })
    }

    /// Goes on where another feed to the same stores stopped: values never fall.
    pub(crate) fn go_on_after(&mut self, other: &Self) {
        self.next = other.next.max(self.next);
    }

    /// The least of the values that so many more would end on: each article has one of them.
    pub(crate) fn last_values(&self, number: u32) -> u32 {
        self.next + number.saturating_sub(self.articles)
    }

    /// Says so many values; returns when all are acknowledged.
    pub(crate) async fn say(&mut self, number: u32, manner: Manner) -> anyhow::Result<Said> {
        ensure!(
            (1..=self.articles).contains(&manner.items),
            "an event has each article once"
        );
        let mut said = Said {
            first: self.next,
            articles: self.articles,
            at_us: Vec::with_capacity(number as usize),
        };
        let mut ticks = manner.per_second.map(|events| {
            let mut ticks = interval(Duration::from_secs(1) / events);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            ticks
        });
        let mut open = VecDeque::with_capacity(IN_FLIGHT);
        let end = self.next + number;
        while self.next < end {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            let items = manner.items.min(end - self.next);
            let id = Uuid::now_v7().to_string();
            let payload = Bytes::from(self.event(&id, items)?);
            let at_us = now_us();
            said.at_us.extend((0..items).map(|_| at_us));
            self.next += items;
            let acknowledgement = self.publish(&id, &payload).await?;
            open.push_back(Unacknowledged {
                payload,
                id,
                acknowledgement,
            });
            if open.len() >= IN_FLIGHT
                && let Some(oldest) = open.pop_front()
            {
                self.acknowledged(oldest).await?;
            }
        }
        for one in open {
            self.acknowledged(one).await?;
        }
        Ok(said)
    }

    async fn publish(&self, id: &str, payload: &Bytes) -> anyhow::Result<PublishAckFuture> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let sending =
            self.jetstream
                .publish_with_headers(self.subject.clone(), headers, payload.clone());
        sending.await.context("an event was not sent")
    }

    /// Waits for an acknowledgement. A stream that is full has room again when somebody has read.
    async fn acknowledged(&self, one: Unacknowledged) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut acknowledgement = one.acknowledgement;
        while let Err(refusal) = acknowledgement.await {
            ensure!(Instant::now() < deadline, "an event was refused: {refusal}");
            sleep(AGAIN_AFTER).await;
            acknowledgement = self.publish(&one.id, &one.payload).await?;
        }
        Ok(())
    }

    /// About 300 bytes with one item.
    fn event(&self, id: &str, items: u32) -> anyhow::Result<String> {
        let time = OffsetDateTime::now_utc().format(&Rfc3339)?;
        let Self {
            tenant, warehouse, ..
        } = self;
        let mut event = format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/erp/{tenant}\",\
             \"type\":\"storelink.stock.changed.v1\",\"time\":\"{time}\",\"tenant\":\"{tenant}\",\
             \"data\":{{\"warehouse\":\"{warehouse}\",\"items\":["
        );
        for value in self.next..self.next + items {
            if value > self.next {
                event.push(',');
            }
            let sku = sku((value % self.articles) as usize);
            event.push_str(&format!(
                "{{\"sku\":\"{sku}\",\"quantity\":\"{value}\",\"revision\":{value}}}"
            ));
        }
        event.push_str("]}}");
        Ok(event)
    }
}

impl Said {
    /// When the first value was said.
    pub(crate) fn began_us(&self) -> u64 {
        self.at_us.first().copied().unwrap_or(0)
    }

    /// The pace that was kept.
    pub(crate) fn per_second(&self) -> u64 {
        let last = self.at_us.last().copied().unwrap_or(0);
        let distances = (self.at_us.len() as u64).saturating_sub(1);
        distances * 1_000_000 / last.saturating_sub(self.began_us()).max(1)
    }

    /// How long each value took until a store first showed it or a later one of the same article, added to
    /// `ages`. `writes` are all writes of the store in their order.
    pub(crate) fn ages(&self, writes: &[Write], ages: &mut Vec<u64>) -> anyhow::Result<()> {
        let number = u32::try_from(self.at_us.len())?;
        let end = self.first + number;
        // For each article the oldest value that was said and is not yet shown.
        let mut next = vec![end; self.articles as usize];
        for value in (self.first..end).take(self.articles as usize) {
            if let Some(next) = next.get_mut((value % self.articles) as usize) {
                *next = value;
            }
        }
        let mut shown = 0;
        for write in writes {
            let Some(next) = next.get_mut(write.article as usize) else {
                continue;
            };
            while *next < end && *next <= write.value {
                let said = self.at_us.get((*next - self.first) as usize);
                ages.push(write.at_us.saturating_sub(said.copied().unwrap_or(0)));
                *next = next.saturating_add(self.articles);
                shown += 1;
            }
        }
        ensure!(
            shown == number,
            "{} of {number} values were never shown",
            number - shown
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(article: u32, value: u32, at_us: u64) -> Write {
        Write {
            article,
            value,
            at_us,
        }
    }

    #[test]
    fn a_value_that_was_passed_over_is_as_old_as_the_one_that_passed_it() {
        // Three articles; the values 4 to 8 belong to the articles 1, 2, 0, 1, 2.
        let said = Said {
            first: 4,
            articles: 3,
            at_us: vec![100, 200, 300, 400, 500],
        };
        let writes = [
            write(1, 7, 1_000),
            write(2, 5, 1_100),
            write(0, 6, 1_200),
            write(2, 8, 1_300),
        ];
        let mut ages = Vec::new();
        said.ages(&writes, &mut ages).unwrap();
        assert_eq!(ages, [900, 600, 900, 900, 800]);
        assert_eq!(said.began_us(), 100);
        let missing = said.ages(&writes[..3], &mut ages).unwrap_err();
        assert_eq!(missing.to_string(), "1 of 5 values were never shown");
    }
}
