//! The simulated machine keeps its promises.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use storelink_model::Timestamp;
use storelink_simulation::kernel::{Lost, ProcessId, Sim, Wire};

const ONE: ProcessId = ProcessId(1);
const STEPS: u64 = 10_000;

fn later(sim: &Sim, seconds: i64) -> Timestamp {
    sim.now().saturating_add(time::Duration::seconds(seconds))
}

fn wire() -> Wire {
    Wire::reliable(Duration::from_millis(1), Duration::from_millis(900))
}

/// Writers that race for the order of their words.
fn race(seed: u64) -> (Vec<u32>, u64) {
    let sim = Sim::new(seed, false);
    let words = Arc::new(Mutex::new(Vec::new()));
    for process in 0..5 {
        let (sim_of_task, words) = (sim.clone(), words.clone());
        sim.spawn(ProcessId(process), async move {
            for _ in 0..4 {
                let words = words.clone();
                let said = sim_of_task.call(wire(), move |_| words.lock().unwrap().push(process));
                said.await.unwrap();
            }
        });
    }
    let until = later(&sim, 60);
    sim.run_until(until, STEPS).unwrap();
    let words = words.lock().unwrap().clone();
    (words, sim.digest())
}

#[test]
fn equal_seeds_give_equal_steps_and_others_give_others() {
    assert_eq!(race(7), race(7));
    assert_eq!(race(7).0.len(), 20);
    let different = (0..20).filter(|seed| race(*seed).0 != race(7).0).count();
    assert!(different > 15, "{different}");
}

#[test]
fn what_is_on_its_way_arrives_after_the_caller_is_dead() {
    let sim = Sim::new(1, false);
    let (arrived, heard) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (of_call, of_task, of_sim) = (arrived.clone(), heard.clone(), sim.clone());
    sim.spawn(ONE, async move {
        let call = of_sim.call(wire(), move |_| of_call.fetch_add(1, Ordering::Relaxed));
        call.await.unwrap();
        of_task.fetch_add(1, Ordering::Relaxed);
    });
    sim.run_until(sim.now(), STEPS).unwrap();
    sim.kill(ONE);
    assert!(!sim.is_alive(ONE));
    sim.run_until(later(&sim, 5), STEPS).unwrap();
    assert_eq!(
        (
            arrived.load(Ordering::Relaxed),
            heard.load(Ordering::Relaxed)
        ),
        (1, 0)
    );
}

#[test]
fn a_frozen_process_makes_no_step_until_it_goes_on_and_sees_the_time_then() {
    let sim = Sim::new(1, false);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (of_task, of_sim) = (seen.clone(), sim.clone());
    sim.spawn(ONE, async move {
        loop {
            of_task.lock().unwrap().push(Timestamp::now());
            of_sim.sleep(Duration::from_secs(1)).await;
        }
    });
    let begun = sim.now();
    sim.run_until(begun, STEPS).unwrap();
    sim.freeze(ONE, true);
    sim.run_until(later(&sim, 10), STEPS).unwrap();
    assert_eq!(*seen.lock().unwrap(), [begun]);
    sim.freeze(ONE, false);
    sim.set_clock_error(ONE, 5);
    let thawed = sim.now();
    sim.run_until(thawed, STEPS).unwrap();
    let five = time::Duration::microseconds(5);
    assert_eq!(*seen.lock().unwrap(), [begun, thawed.saturating_add(five)]);
}

#[test]
fn a_lost_answer_is_told_after_the_patience_although_the_call_arrived() {
    let sim = Sim::new(1, false);
    let lossy = Wire {
        lost_back: 1_000,
        patience: Duration::from_secs(3),
        ..wire()
    };
    let arrived = Arc::new(AtomicU64::new(0));
    let told = Arc::new(Mutex::new(None));
    let (of_call, of_task, of_sim) = (arrived.clone(), told.clone(), sim.clone());
    sim.spawn(ONE, async move {
        let call = of_sim.call(lossy, move |_| of_call.fetch_add(1, Ordering::Relaxed));
        let answer = call.await;
        *of_task.lock().unwrap() = Some((answer, of_sim.now()));
    });
    let begun = sim.now();
    sim.run_until(later(&sim, 60), STEPS).unwrap();
    let patience = begun.saturating_add(time::Duration::seconds(3));
    assert_eq!(*told.lock().unwrap(), Some((Err(Lost), patience)));
    assert_eq!(arrived.load(Ordering::Relaxed), 1);
}
