//! Every overlay is right.

use storelink_deploy_checks::{render, repository, rules, schema_mistakes};

use crate::rendered;

#[test]
fn every_overlay_is_rendered_the_same_twice() {
    for overlay in overlays() {
        let first = render(&overlay).unwrap();
        assert!(first == render(&overlay).unwrap(), "{overlay}");
    }
}

#[test]
fn every_overlay_fits_the_oldest_and_the_newest_api() {
    for overlay in overlays() {
        let (manifests, ..) = rendered(&overlay);
        let found = schema_mistakes(&manifests).unwrap();
        assert!(found.is_empty(), "{overlay}: {found:#?}");
    }
}

#[test]
fn every_overlay_fits_the_program() {
    for overlay in overlays() {
        let (manifests, program, facts) = rendered(&overlay);
        let found = rules::mistakes(&manifests, &program, &facts).unwrap();
        assert!(found.is_empty(), "{overlay}: {found:#?}");
    }
}

/// All that there are, so that none is forgotten.
fn overlays() -> Vec<String> {
    let folder = std::fs::read_dir(repository("deploy/kustomize/overlays")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let overlays: Vec<String> = names.collect();
    assert!(overlays.len() >= 2, "{overlays:?}");
    overlays
}
