//! What has to hold between rendered objects, and between them and the program.

mod configuration;
mod hardening;
mod network;
mod paths;
mod ports;
mod references;
mod roles;
mod scaling;

use std::collections::BTreeMap;

pub(crate) use configuration::unheard;
pub(crate) use paths::broker_user;
pub(crate) use roles::wanted;

use crate::pods::{self, Pod};
use crate::{Effective, Facts, Manifests, Program};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: &'static str,
    /// `Kind/name`.
    pub object: String,
    /// What is wrong.
    pub problem: String,
}

/// Mistakes as they are found.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(
        &mut self,
        rule: &'static str,
        object: impl Into<String>,
        problem: impl Into<String>,
    ) {
        self.0.push(Finding {
            rule,
            object: object.into(),
            problem: problem.into(),
        });
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

/// Rendered objects with what the program says about them.
struct World<'a> {
    manifests: &'a Manifests,
    facts: &'a Facts,
    pods: Vec<Pod<'a>>,
    /// The effective configuration of each pod that runs the program.
    configurations: BTreeMap<String, Effective>,
}

impl World<'_> {
    fn configuration(&self, pod: &Pod<'_>) -> Option<&Effective> {
        self.configurations.get(&pod.id())
    }
}

/// Every mistake in an overlay, those that the schemas find apart.
///
/// # Errors
/// The program cannot be started.
pub fn mistakes(
    manifests: &Manifests,
    program: &Program,
    facts: &Facts,
) -> anyhow::Result<Vec<Finding>> {
    let mut found = Findings::default();
    let pods = pods::pods(manifests);
    let configurations = configuration::effective(manifests, &pods, program, &mut found)?;
    let world = World {
        manifests,
        facts,
        pods,
        configurations,
    };
    references::check(&world, &mut found);
    ports::check(&world, &mut found);
    roles::check(&world, &mut found);
    configuration::check(&world, &mut found);
    paths::check(&world, &mut found);
    network::check(&world, &mut found);
    scaling::check(&world, &mut found);
    hardening::check(&world, &mut found);
    Ok(found.into_vec())
}
