//! Every role and every platform of the program has its Deployment, and nothing else has.

use std::collections::BTreeMap;

use super::{Findings, World};
use crate::Facts;

/// The arguments of the program that are to run somewhere, each once.
pub(crate) fn wanted(facts: &Facts) -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut wanted = vec![words(&["migrate"]), words(&["streams", "apply"])];
    for role in &facts.roles {
        if role == "poller" {
            let of = |platform: &String| words(&["serve", role, "--platform", platform]);
            wanted.extend(facts.platforms.iter().map(of));
        } else {
            wanted.push(words(&["serve", role]));
        }
    }
    wanted
}

pub(super) fn check(world: &World<'_>, found: &mut Findings) {
    let mut running: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for pod in &world.pods {
        if let Some(program) = pod.program() {
            let arguments = program.arguments.iter().map(ToString::to_string);
            running
                .entry(arguments.collect())
                .or_default()
                .push(pod.id());
        }
    }
    for arguments in wanted(world.facts) {
        match running.remove(&arguments).as_deref() {
            None => found.add("role", "overlay", format!("nothing runs {arguments:?}")),
            Some([_]) => {}
            Some(several) => {
                found.add("role", several.join(", "), format!("all run {arguments:?}"));
            }
        }
    }
    for (arguments, pods) in running {
        let problem = format!("{arguments:?} is nothing that the program does");
        found.add("role", pods.join(", "), problem);
    }
}
