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
    /// Where it stands in its event, from 0.
    pub(super) place: usize,
}

/// An event after reading.
#[derive(Debug, Default)]
pub(super) struct ErpProducts {
    pub(super) id: Option<String>,
    pub(super) products: Vec<ErpProduct>,
    pub(super) violations: Vec<Violation>,
}

impl ErpProducts {
    /// Refuses all of it: nobody here has this tenant.
    pub(super) fn refuse_tenant(&mut self) {
        let detail = "this installation has no such tenant";
        self.products = Vec::new();
        self.violations = vec![Violation::new("/tenant", "event.tenant_unknown", detail)];
    }
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
        places,
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
    for (item, place) in items.into_iter().zip(places) {
        let version = match item.revision {
            Some(revision) => Version::revision(revision),
            None => Some(Version::at(time)).filter(|_| time.since(now) <= AHEAD),
        };
        let texts = [("name", &item.name), ("barcode", &item.barcode)];
        let has_nul = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains('\0'));
        if let Some((member, _)) = texts.into_iter().find(|(_, text)| has_nul(text)) {
            let pointer = format!("/data/items/{place}/{member}");
            let detail = "it holds the character NUL";
            let refused = Violation::new(pointer, "event.member_invalid", detail);
            event.violations.push(refused);
        } else if let Some(version) = version {
            event.products.push(ErpProduct {
                tenant: tenant.clone(),
                item,
                version,
                sequence,
                time,
                place,
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
