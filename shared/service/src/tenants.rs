//! Whether an event's tenant is one of this installation.

use std::time::Duration;

use storelink_model::{TenantId, Timestamp};
use time::OffsetDateTime;

use crate::Connections;

/// Pause before an event is looked at again whose tenant is not known yet.
pub const TENANT_AGAIN: Duration = Duration::from_secs(5);
/// A tenant that was just made is in the bucket after the registry's next sweep, which comes every 5 s.
const LISTED_WITHIN: time::Duration = time::Duration::seconds(20);

/// The tenants of an installation.
pub trait Tenants: Send + Sync {
    /// Whether there is this tenant; none while nobody can say, as when the bucket is filled again.
    fn lists(&self, tenant: &TenantId) -> Option<bool>;
}

impl Tenants for Connections {
    fn lists(&self, tenant: &TenantId) -> Option<bool> {
        self.lists_tenant(tenant)
    }
}

/// For worlds without a registry: nobody can say.
#[derive(Debug, Clone, Copy)]
pub struct AnyTenant;

impl Tenants for AnyTenant {
    fn lists(&self, _: &TenantId) -> Option<bool> {
        None
    }
}

/// What may become of an event of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantKnown {
    /// It is taken.
    Yes,
    /// It comes again after [`TENANT_AGAIN`]: the tenant may have been made a moment ago.
    NotYet,
    /// It is refused: nobody would ever see what became of it.
    No,
}

/// What may become of an event that was published then. Where nobody can say, it is taken: a value that
/// no connection wants does no harm.
#[must_use]
pub fn tenant_known(
    tenants: &dyn Tenants,
    tenant: &TenantId,
    published: OffsetDateTime,
    now: Timestamp,
) -> TenantKnown {
    match tenants.lists(tenant) {
        Some(false) if now.datetime() - published < LISTED_WITHIN => TenantKnown::NotYet,
        Some(false) => TenantKnown::No,
        Some(true) | None => TenantKnown::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Only(&'static str);

    impl Tenants for Only {
        fn lists(&self, tenant: &TenantId) -> Option<bool> {
            Some(tenant.as_str() == self.0)
        }
    }

    #[test]
    fn an_unknown_tenant_is_waited_for_and_then_refused() {
        let published = Timestamp::now();
        let judge = |tenants: &dyn Tenants, name: &str, seconds: i64| {
            let now = published.saturating_add(time::Duration::seconds(seconds));
            tenant_known(tenants, &name.parse().unwrap(), published.datetime(), now)
        };
        assert_eq!(judge(&Only("acme"), "acme", 100), TenantKnown::Yes);
        assert_eq!(judge(&Only("acme"), "acme2", 19), TenantKnown::NotYet);
        assert_eq!(judge(&Only("acme"), "acme2", 20), TenantKnown::No);
        assert_eq!(judge(&AnyTenant, "acme2", 100), TenantKnown::Yes);
    }
}
