//! Whether a process can do its work right now.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Named checks that the parts of a process flip; the process is ready when all are. Cheap to
/// clone: clones share the checks.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    state: Arc<RwLock<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Why a check is not ready; none when it is.
    checks: BTreeMap<String, Option<String>>,
    draining: bool,
}

impl Readiness {
    /// Without checks, and therefore ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check that is not ready until its owner says so.
    #[must_use]
    pub fn check(&self, name: &str) -> ReadinessCheck {
        let check = ReadinessCheck {
            readiness: self.clone(),
            name: name.to_owned(),
        };
        check.not_ready("starting");
        check
    }

    /// Says that the process is ending, so that nothing new is sent to it.
    pub fn drain(&self) {
        self.change(|state| state.draining = true);
    }

    /// Whether every check is ready and the process is not ending.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reasons().is_empty()
    }

    /// What is not ready, and why.
    #[must_use]
    pub fn reasons(&self) -> BTreeMap<String, String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut reasons: BTreeMap<String, String> = state
            .checks
            .iter()
            .filter_map(|(name, reason)| Some((name.clone(), reason.clone()?)))
            .collect();
        if state.draining {
            reasons.insert("process".to_owned(), "draining".to_owned());
        }
        reasons
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One check, held by the part of the process that it is about.
#[derive(Clone, Debug)]
pub struct ReadinessCheck {
    readiness: Readiness,
    name: String,
}

impl ReadinessCheck {
    /// The part can work.
    pub fn ready(&self) {
        self.readiness.change(|state| {
            state.checks.insert(self.name.clone(), None);
        });
    }

    /// The part cannot work, because of `reason`: words without secrets, shown to operators.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.readiness.change(|state| {
            state.checks.insert(self.name.clone(), Some(reason.into()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_check_is_and_never_again_when_draining() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let broker = readiness.check("broker");
        let database = readiness.check("database");
        database.ready();
        assert_eq!(
            readiness.reasons(),
            BTreeMap::from([("broker".to_owned(), "starting".to_owned())])
        );
        broker.ready();
        assert!(readiness.is_ready());
        database.not_ready("no answer");
        assert!(!readiness.is_ready());
        database.ready();
        readiness.drain();
        assert_eq!(
            readiness.reasons(),
            BTreeMap::from([("process".to_owned(), "draining".to_owned())])
        );
    }
}
