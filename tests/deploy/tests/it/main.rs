//! What `deploy/` says, against the program, the broker and the API of Kubernetes.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod broker;
mod compose;
mod image;
mod overlays;
mod planted;

use storelink_deploy_checks::{Facts, Manifests, Program, render};

/// An overlay as it is, with the program and what it says about itself.
fn rendered(overlay: &str) -> (Manifests, Program, Facts) {
    let manifests = Manifests::parse(&render(overlay).unwrap()).unwrap();
    let program = Program::built().unwrap();
    let facts = program.facts().unwrap();
    (manifests, program, facts)
}
