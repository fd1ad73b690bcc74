//! One event of an ERP: which of its products are taken and which are refused.

use storelink_events::Violation;
use storelink_events::erp::{self, ErpEvent, ErpReading, ProductItem, Refused};
use storelink_model::{TenantId, Timestamp, Version};
use time::Duration;

/// How far ahead a publisher's clock may be where the time decides.
const AHEAD: Duration = Duration::seconds(60);

/// One product at one version.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ErpProduct {
    pub(super) tenant: TenantId,
    pub(super) item: ProductItem,
    pub(super) version: Version,
    /// Place of the event in its stream: the later of two equal times wins.
    pub(super) sequence: u64,
    pub(super) time: Timestamp,
}

/// An event after reading.
#[derive(Debug, Default)]
pub(super) struct ErpProducts {
    pub(super) id: Option<String>,
    pub(super) products: Vec<ErpProduct>,
    pub(super) violations: Vec<Violation>,
}

/// Reads an event; its products come in the order of their codes.
pub(super) fn read(subject: &str, payload: &[u8], sequence: u64, now: Timestamp) -> ErpProducts {
    let tenant = subject.split('.').nth(1);
    let Some(tenant) = tenant.and_then(|token| token.parse::<TenantId>().ok()) else {
        return whole(None, "", "event.subject", "the subject names no tenant");
    };
    let reading = match erp::read(&tenant, payload) {
        Ok(reading) => reading,
        Err(Refused {
            event_id,
            violations,
        }) => {
            return ErpProducts {
                id: event_id,
                violations,
                ..ErpProducts::default()
            };
        }
    };
    let ErpReading {
        id,
        time,
        event: ErpEvent::Product { items },
        violations,
        ..
    } = reading
    else {
        let detail = "an event of this type does not belong on this subject";
        return whole(Some(reading.id), "/type", "event.type", detail);
    };
    let mut event = ErpProducts {
        id: Some(id),
        products: Vec::with_capacity(items.len()),
        violations,
    };
    let mut late = false;
    for item in items {
        let version = match item.revision {
            Some(revision) => Version::revision(revision),
            None => Some(Version::at(time)).filter(|_| time.since(now) <= AHEAD),
        };
        let texts = [&item.name, &item.barcode];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            let detail = format!("{}: a text holds the character NUL", item.sku);
            let refused = Violation::new("/data/items", "event.member_invalid", detail);
            event.violations.push(refused);
        } else if let Some(version) = version {
            event.products.push(ErpProduct {
                tenant: tenant.clone(),
                item,
                version,
                sequence,
                time,
            });
        } else {
            late = true;
        }
    }
    if late {
        let detail = "the time is more than 60 s in the future: correct the publisher's clock";
        let refused = Violation::new("/time", "event.time_in_future", detail);
        event.violations.push(refused);
    }
    event.products.sort_by(|a, b| a.item.sku.cmp(&b.item.sku));
    event
}

fn whole(id: Option<String>, pointer: &str, code: &str, detail: &str) -> ErpProducts {
    ErpProducts {
        id,
        violations: vec![Violation::new(pointer, code, detail)],
        ..ErpProducts::default()
    }
}
