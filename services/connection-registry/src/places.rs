//! Places for questions to stores: bounded for the process, and for each tenant, so that one whose
//! stores are slow leaves room for the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use storelink_model::TenantId;

/// Questions at once in this process.
const ALL: usize = 16;
/// Questions at once of one tenant.
const OF_TENANT: usize = 8;

/// Who asks stores right now, and how often.
#[derive(Default)]
pub(crate) struct Places(Mutex<BTreeMap<TenantId, usize>>);

/// A place that is free again when this is dropped.
pub(crate) struct Place<'a> {
    places: &'a Places,
    tenant: TenantId,
}

impl Places {
    /// A place for this tenant; none when it, or all tenants together, ask too much already.
    pub(crate) fn take(&self, tenant: &TenantId) -> Option<Place<'_>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= ALL {
            return None;
        }
        let own = taken.entry(tenant.clone()).or_default();
        if *own >= OF_TENANT {
            return None;
        }
        *own += 1;
        Some(Place {
            places: self,
            tenant: tenant.clone(),
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.tenant) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_takes_its_own_places_only_and_gives_them_back() {
        let places = Places::default();
        let tenant = |name: &str| name.parse::<TenantId>().unwrap();
        let (first, other) = (tenant("first"), tenant("other"));
        let mut taken: Vec<_> = (0..OF_TENANT)
            .map(|_| places.take(&first).unwrap())
            .collect();
        assert!(places.take(&first).is_none());
        let held = places.take(&other).unwrap();
        taken.pop();
        assert!(places.take(&first).is_some());
        drop((taken, held));
        assert!(places.0.lock().unwrap().is_empty());
    }

    #[test]
    fn all_tenants_together_are_bounded() {
        let places = Places::default();
        let tenants: Vec<TenantId> = (0..=ALL / OF_TENANT)
            .map(|number| format!("t{number}").parse().unwrap())
            .collect();
        let taken: Vec<_> = (0..ALL)
            .map(|number| places.take(&tenants[number / OF_TENANT]).unwrap())
            .collect();
        assert!(places.take(tenants.last().unwrap()).is_none());
        drop(taken);
        assert!(places.take(tenants.last().unwrap()).is_some());
    }
}
