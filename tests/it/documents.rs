//! What the documents say about tests is true.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let named: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(is_test_name)
        .collect();
    assert!(named.len() > 50, "only {} tests are named", named.len());
    let mut missing = named;
    for file in sources(&root) {
        let source = std::fs::read_to_string(&file).unwrap();
        missing.retain(|name| !source.contains(&format!("fn {name}(")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Several words, as the name of a function.
fn is_test_name(text: &&str) -> bool {
    text.split('_').count() >= 4 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["shared", "services", "tests"]
        .map(|name| root.join(name))
        .into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// A file of this length has one reason to exist; a longer one has more.
#[test]
fn no_source_file_is_longer_than_five_hundred_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let length = |file: &PathBuf| std::fs::read_to_string(file).unwrap().lines().count();
    let mut long = sources(&root);
    long.retain(|file| length(file) > 500);
    assert!(long.is_empty(), "{long:#?}");
}
