//! The world of values.

use std::process::Command;

use storelink_simulation::{Plane, seeds};

const PLANE: Plane = Plane::Values;

#[test]
fn equal_seeds_give_equal_worlds_in_one_process_and_in_another() {
    let all: Vec<u64> = (0..20).collect();
    let once = seeds::run(PLANE, &all, None, false);
    let again = seeds::run(PLANE, &all, None, false);
    assert_eq!(once.digest, again.digest);
    let program = env!("CARGO_BIN_EXE_storelink-simulation");
    let elsewhere = Command::new(program)
        .args(["run", "--plane", "values", "--from", "0", "--count", "20"])
        .output()
        .unwrap();
    let said = String::from_utf8(elsewhere.stdout).unwrap();
    let digest = format!("{:016x}", once.digest);
    assert!(said.contains(&digest), "{digest} is not in {said}");
    let others: Vec<u64> = (20..40).collect();
    assert_ne!(seeds::run(PLANE, &others, None, false).digest, once.digest);
}

#[test]
fn a_thousand_seeds_leave_every_store_with_the_last_values() {
    let fresh = seeds::fresh_base();
    println!("fresh seeds from {fresh}");
    let all: Vec<u64> = (0..500).chain(fresh..fresh + 500).collect();
    let tally = seeds::run(PLANE, &all, None, false);
    assert_eq!(tally.run, all.len());
    let failures: Vec<String> = tally.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_planted_fault_is_found_by_its_known_seed() {
    let mut wrong = Vec::new();
    for (fault, seed) in PLANE.known() {
        let found = seeds::run(PLANE, &[*seed], Some(*fault), false);
        if found.failures.is_empty() {
            wrong.push(format!("seed {seed} does not find {}", fault.name()));
        }
        let without = seeds::run(PLANE, &[*seed], None, false);
        wrong.extend(without.failures.iter().map(ToString::to_string));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(PLANE.known().len() >= 30);
}

#[test]
fn seeds_that_once_found_a_mistake_pass() {
    let tally = seeds::run(PLANE, PLANE.regressions(), None, false);
    let failures: Vec<String> = tally.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}
