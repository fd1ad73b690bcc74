//! Addresses of the control API. Everything is JSON.
//!
//! | method and path | does |
//! |---|---|
//! | `GET /stores` | lists stores |
//! | `POST /stores` | makes one from a `StoreSpec` |
//! | `GET, DELETE /stores/<name>` | shows it, ends it |
//! | `GET /stores/<name>/articles`, `/orders`, `/orders/<id>` | reads its state |
//! | `POST /stores/<name>/actions` | lets an `Action` happen |
//! | `GET, POST, DELETE /stores/<name>/faults`, `DELETE .../faults/<n>` | reads, sets, ends faults |
//! | `PUT /stores/<name>/clock` | sets the clock |
//! | `GET /ledger?after=&limit=&store=&writes_only=true` | reads the ledger |
//! | `GET /health`, `POST /stop` | is it there; end the process's stores |

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::action::{Action, ActionError};
use crate::client::StoreInfo;
use crate::clock::ClockSetting;
use crate::faults::Fault;
use crate::http::{Reply, Request, parse_form};
use crate::ledger::LedgerFilter;
use crate::simulators::{SimulatorError, Simulators, StoreHandle};
use crate::woocommerce::StoreSpec;

type Answer = Result<Reply, Reply>;

pub(super) async fn answer(simulators: &Simulators, request: &Request) -> Reply {
    let path = percent_encoding::percent_decode_str(&request.path)
        .decode_utf8_lossy()
        .into_owned();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let result = match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["health"]) => Ok(ok(&json!({"ok": true}))),
        ("POST", ["stop"]) => {
            stop_soon(simulators.clone());
            Ok(ok(&json!({"ok": true})))
        }
        ("GET", ["stores"]) => Ok(ok(&simulators
            .stores()
            .iter()
            .map(StoreInfo::of)
            .collect::<Vec<_>>())),
        ("POST", ["stores"]) => add_store(simulators, request).await,
        ("GET", ["ledger"]) => ledger(simulators, request),
        ("DELETE", ["stores", name]) => Ok(ok(&json!({"removed": simulators.remove_store(name)}))),
        (method, ["stores", name, rest @ ..]) => match simulators.store(name) {
            Some(store) => of_store(&store, method, rest, request),
            None => Err(refusal(404, "no such store")),
        },
        _ => Err(refusal(404, "no such address")),
    };
    result.unwrap_or_else(|refused| refused)
}

fn of_store(store: &StoreHandle, method: &str, rest: &[&str], request: &Request) -> Answer {
    match (method, rest) {
        ("GET", []) => Ok(ok(&StoreInfo::of(store))),
        ("GET", ["articles"]) => Ok(ok(&store.articles())),
        ("GET", ["orders"]) => Ok(ok(&store.orders())),
        ("GET", ["orders", id]) => match id.parse().ok().and_then(|id| store.order(id)) {
            Some(order) => Ok(ok(&order)),
            None => Err(refusal(404, "no such order")),
        },
        ("GET", ["orders", id, "refunds"]) => {
            match id.parse().ok().and_then(|id| store.refunds(id)) {
                Some(refunds) => Ok(ok(&refunds)),
                None => Err(refusal(404, "no such order")),
            }
        }
        ("POST", ["actions"]) => {
            let action: Action = read(request)?;
            store
                .act(&action)
                .map(|value| ok(&value))
                .map_err(|error| match error {
                    ActionError::NotFound(_) => refusal(404, &error.to_string()),
                    ActionError::Refused(_) => refusal(409, &error.to_string()),
                })
        }
        ("GET", ["faults"]) => Ok(ok(&store.faults())),
        ("POST", ["faults"]) => {
            let fault: Fault = read(request)?;
            Ok(ok(&json!({"id": store.set_fault(fault)})))
        }
        ("DELETE", ["faults"]) => {
            store.clear_faults(None);
            Ok(ok(&json!({"ok": true})))
        }
        ("DELETE", ["faults", id]) => match id.parse() {
            Ok(id) => {
                store.clear_faults(Some(id));
                Ok(ok(&json!({"ok": true})))
            }
            Err(_) => Err(refusal(400, "fault number")),
        },
        ("PUT", ["clock"]) => {
            let setting: ClockSetting = read(request)?;
            store.set_clock(setting);
            Ok(ok(&json!({"ok": true})))
        }
        _ => Err(refusal(404, "no such address")),
    }
}

async fn add_store(simulators: &Simulators, request: &Request) -> Answer {
    let spec: StoreSpec = read(request)?;
    match simulators.add_store(spec).await {
        Ok(store) => Ok(ok(&StoreInfo::of(&store))),
        Err(error @ SimulatorError::NameTaken(_)) => Err(refusal(409, &error.to_string())),
        Err(error) => Err(refusal(400, &error.to_string())),
    }
}

fn ledger(simulators: &Simulators, request: &Request) -> Answer {
    let mut filter = LedgerFilter::default();
    for (name, value) in parse_form(&request.query) {
        let text = value.as_str().unwrap_or_default();
        match name.as_str() {
            "after" => filter.after = number(text)?,
            "limit" => filter.limit = number(text)?,
            "store" => filter.store = Some(text.to_owned()),
            "writes_only" => filter.writes_only = text == "true",
            _ => return Err(refusal(400, "unknown parameter")),
        }
    }
    Ok(ok(&simulators.ledger().read(&filter)))
}

/// Lets the answer leave before the connection is cut.
fn stop_soon(simulators: Simulators) {
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        simulators.stop();
    });
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Reply> {
    text.parse().map_err(|_| refusal(400, "not a number"))
}

fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Reply> {
    serde_json::from_slice(&request.body).map_err(|error| refusal(400, &error.to_string()))
}

fn ok(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => Reply::new(200, "application/json", body),
        Err(error) => refusal(500, &error.to_string()),
    }
}

fn refusal(status: u16, message: &str) -> Reply {
    let body: Value = json!({"error": message});
    Reply::new(status, "application/json", body.to_string())
}
