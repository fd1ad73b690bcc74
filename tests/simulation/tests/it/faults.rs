//! The planted faults of both worlds.

use storelink_planted_faults::Fault;
use storelink_simulation::Plane;

#[test]
fn every_planted_fault_is_known_to_a_world() {
    let (values, orders) = (Plane::Values.faults(), Plane::Orders.faults());
    let unknown: Vec<&str> = Fault::ALL
        .iter()
        .filter(|fault| !values.contains(fault) && !orders.contains(fault))
        .map(|fault| fault.name())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(values.len() + orders.len(), Fault::ALL.len());
}
