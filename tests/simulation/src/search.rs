//! Looks for the planted faults.

use storelink_planted_faults::Fault;

use crate::Plane;
use crate::seeds::{Failure, search};

/// What the search for one fault gave.
#[derive(Debug)]
pub struct Found {
    /// Which fault.
    pub fault: Fault,
    /// In which worlds it was looked for.
    pub planes: Vec<Plane>,
    /// So many seeds of each, at most.
    pub count: u64,
    /// The seed that finds it, if one does.
    pub failure: Option<Failure>,
}

/// Looks for a fault, or for all of them, in one world or in both: in those that are known to find it,
/// where there are any.
pub fn all(plane: Option<Plane>, fault: Option<Fault>, count: u64) -> impl Iterator<Item = Found> {
    let planes = plane.map_or(vec![Plane::Values, Plane::Orders], |plane| vec![plane]);
    let chosen = Fault::ALL.iter().copied().filter(move |one| match fault {
        Some(fault) => *one == fault,
        None => plane.is_none_or(|plane| plane.faults().contains(one)),
    });
    chosen.map(move |fault| {
        let mut planes = planes.clone();
        if planes.iter().any(|plane| plane.faults().contains(&fault)) {
            planes.retain(|plane| plane.faults().contains(&fault));
        }
        let failure = planes.iter().find_map(|plane| search(*plane, fault, count));
        if let Some(failure) = &failure {
            planes.retain(|plane| *plane == failure.plane);
        }
        Found {
            fault,
            planes,
            count,
            failure,
        }
    })
}

impl Found {
    /// As a line of JSON, like the outcomes of other fault runs.
    #[must_use]
    pub fn outcome(&self, commit: &str) -> serde_json::Value {
        let planes: Vec<String> = self.planes.iter().map(ToString::to_string).collect();
        let complaint = self.failure.is_none().then(|| self.to_string());
        serde_json::json!({
            "id": format!("simulation-{}", self.fault.name()),
            "seed": self.failure.as_ref().map(|failure| failure.seed),
            "commit": commit,
            "verdict": if self.failure.is_some() { "passed" } else { "failed" },
            "layout": planes.join(" and "),
            "found_by": self.failure.as_ref().map(|failure| &failure.violations),
            "complaints": complaint.into_iter().collect::<Vec<_>>(),
        })
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, count) = (self.fault.name(), self.count);
        match &self.failure {
            Some(failure) => write!(f, "{name}: {failure} --fault {name}"),
            None => write!(f, "{name} is not found within {count} seeds"),
        }
    }
}
