use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use storelink_bus::rpc::{Call, Endpoint, Fault, RpcError};
use storelink_bus::{Bus, TraceContext};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::harness::{connected, eventually, in_time};

const SUBJECT: &str = "rpc.ledger.double";
const SOON: Duration = Duration::from_secs(5);

async fn double(call: Call<i64>) -> Result<i64, Fault> {
    match call.request {
        13 => Err(Fault::new("ledger.unlucky", "13 is not doubled")),
        14 => panic!("a defect"),
        15 => std::future::pending().await,
        n => Ok(2 * n),
    }
}

async fn ask(bus: &Bus, n: i64) -> Result<i64, RpcError> {
    bus.request(SUBJECT, &n, SOON).await
}

async fn listening(bus: &Bus) {
    eventually("the service listens", || async {
        ask(bus, 1).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn answers_and_faults_reach_the_caller() {
    let (_broker, bus) = connected().await;
    let missing = ask(&bus, 1).await.unwrap_err();
    assert!(matches!(missing, RpcError::NoService { .. }), "{missing}");

    let cancel = CancellationToken::new();
    let endpoint = Endpoint::new(&bus, SUBJECT, "ledger").time_limit(Duration::from_millis(300));
    let service = tokio::spawn(endpoint.serve(double, cancel.clone()));
    listening(&bus).await;
    assert_eq!(ask(&bus, 21).await.unwrap(), 42);
    for (n, code) in [
        (13, "ledger.unlucky"),
        (14, "rpc.internal"),
        (15, "rpc.too_slow"),
    ] {
        let RpcError::Fault(fault) = ask(&bus, n).await.unwrap_err() else {
            panic!("{n}")
        };
        assert_eq!(fault.code, code);
    }
    let wrong: Result<i64, RpcError> = bus.request(SUBJECT, "no number", SOON).await;
    let Err(RpcError::Fault(fault)) = wrong else {
        panic!("{wrong:?}")
    };
    assert_eq!(fault.code, "rpc.invalid_request");
    let other: Result<String, RpcError> = bus.request(SUBJECT, &1, SOON).await;
    assert!(matches!(other, Err(RpcError::Answer { .. })), "{other:?}");

    cancel.cancel();
    in_time("the end", service).await.unwrap().unwrap();
    eventually("nobody listens", || async {
        matches!(ask(&bus, 1).await, Err(RpcError::NoService { .. }))
    })
    .await;
}

#[tokio::test]
async fn a_silent_service_is_given_up_in_time() {
    let (_broker, bus) = connected().await;
    let _silent = bus.client().subscribe(SUBJECT).await.unwrap();
    bus.client().flush().await.unwrap();
    let started = Instant::now();
    let answer: Result<i64, RpcError> = bus.request(SUBJECT, &1, Duration::from_millis(200)).await;
    assert!(
        matches!(answer, Err(RpcError::TimedOut { .. })),
        "{answer:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_at_work() {
    let (_broker, bus) = connected().await;
    let (gate, cancel) = (Arc::new(Semaphore::new(0)), CancellationToken::new());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
        move |call: Call<usize>| {
            let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
            async move {
                let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(running, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Fault>(call.request)
            }
        }
    };
    let endpoint = Endpoint::new(&bus, SUBJECT, "ledger").concurrency(3);
    let service = tokio::spawn(endpoint.serve(handler, cancel.clone()));
    gate.add_permits(1);
    eventually("the service listens", || async {
        bus.request::<_, usize>(SUBJECT, &0, SOON).await.is_ok()
    })
    .await;
    let calls = (0..12_usize).map(|n| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.request::<_, usize>(SUBJECT, &n, SOON).await.unwrap() })
    });
    let calls: Vec<_> = calls.collect();
    eventually("three are at work", || async {
        now.load(Ordering::SeqCst) == 3
    })
    .await;
    gate.add_permits(12);
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(in_time("an answer", call).await.unwrap(), n);
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    cancel.cancel();
    in_time("the end", service).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_trace_context_reaches_the_service_and_an_answer_may_be_empty() {
    let (_broker, bus) = connected().await;
    let trace = TraceContext::new(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        None,
    )
    .unwrap();
    let cancel = CancellationToken::new();
    let expected = trace.clone();
    let handler = move |call: Call<()>| {
        let same = call.trace.as_ref() == Some(&expected);
        async move {
            if same {
                Ok(())
            } else {
                Err(Fault::new("no.trace", "lost"))
            }
        }
    };
    let service = tokio::spawn(Endpoint::new(&bus, SUBJECT, "l").serve(handler, cancel.clone()));
    eventually("the traced answer", || async {
        bus.request_traced::<_, ()>(SUBJECT, &(), SOON, Some(&trace))
            .await
            .is_ok()
    })
    .await;
    cancel.cancel();
    in_time("the end", service).await.unwrap().unwrap();
}

/// A process has 28 s from the signal to its end: a slow request must not use them up.
#[tokio::test]
async fn the_end_waits_for_a_running_request_and_not_for_ever() {
    let (_broker, bus) = connected().await;
    let (started, mut running) = tokio::sync::mpsc::channel(1);
    let cancel = CancellationToken::new();
    let endpoint: Endpoint<()> = Endpoint::new(&bus, "rpc.slow.ask", "slow");
    let serving = tokio::spawn(endpoint.time_limit(Duration::from_millis(400)).serve(
        move |_| {
            let started = started.clone();
            async move {
                started.send(()).await.ok();
                std::future::pending::<Result<(), Fault>>().await
            }
        },
        cancel.clone(),
    ));
    let asking = tokio::spawn({
        let bus = bus.clone();
        async move {
            loop {
                let answer: Result<(), RpcError> = bus
                    .request("rpc.slow.ask", &(), Duration::from_secs(20))
                    .await;
                if !matches!(answer, Err(RpcError::NoService { .. })) {
                    return answer;
                }
            }
        }
    });
    in_time("the request is at work", running.recv())
        .await
        .unwrap();
    cancel.cancel();
    in_time("the end", serving).await.unwrap().unwrap();
    let answer = in_time("an answer", asking).await.unwrap();
    assert!(matches!(answer, Err(RpcError::Fault(_))), "{answer:?}");
}
