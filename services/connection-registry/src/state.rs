//! The state of a connection: one word out of everything that is known about it.

use storelink_events::hub::ConnectionState;
use storelink_events::rpc::LaneStatus;
use storelink_model::Timestamp;
use time::Duration;

use crate::connections::Connection;
use crate::runs::Run;
use crate::schedules;

/// A change waits this long before the connection counts as delayed.
const DELAYED_AFTER: Duration = Duration::minutes(5);
/// Shorter waits are the ordinary course of things.
const CATCHING_UP_AFTER: Duration = Duration::seconds(30);

/// What is known of a connection.
pub(crate) struct Facts<'a> {
    pub(crate) connection: &'a Connection,
    /// The publishers that are switched on for it.
    pub(crate) lanes: Vec<(&'static str, LaneFact)>,
    /// The last finished run of each entity.
    pub(crate) runs: &'a [Run],
    pub(crate) now: Timestamp,
}

/// What a publisher says.
#[derive(Debug, Clone)]
pub(crate) enum LaneFact {
    /// Its answer.
    Answered(Box<LaneStatus>),
    /// It was silent for longer than a restart takes.
    Silent,
    /// It is silent, but not for long: as if it had not been asked.
    SilentForNow,
}

/// A state with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) state: ConnectionState,
    pub(crate) code: Option<String>,
    pub(crate) text: Option<String>,
}

impl Derived {
    fn plain(state: ConnectionState) -> Self {
        Self {
            state,
            code: None,
            text: None,
        }
    }

    fn because(state: ConnectionState, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            state,
            code: Some(code.into()),
            text: Some(text.into()),
        }
    }
}

/// The state that the row alone decides; none when others have to be asked.
pub(crate) fn by_row(connection: &Connection) -> Option<Derived> {
    if !connection.is_active() {
        return Some(Derived::plain(ConnectionState::Draft));
    }
    if connection.is_paused() {
        let reason = connection.pause_reason.clone().unwrap_or_default();
        return Some(Derived {
            state: ConnectionState::Paused,
            code: Some("connection.paused".to_owned()),
            text: Some(reason).filter(|reason| !reason.is_empty()),
        });
    }
    None
}

/// The state of an active connection; the gravest cause decides.
pub(crate) fn derive(facts: &Facts<'_>) -> Derived {
    by_row(facts.connection)
        .or_else(|| needs_attention(facts))
        .or_else(|| store_unavailable(facts))
        .or_else(|| delayed(facts))
        .or_else(|| catching_up(facts))
        .unwrap_or_else(|| Derived::plain(ConnectionState::Healthy))
}

fn needs_attention(facts: &Facts<'_>) -> Option<Derived> {
    let stopped = lanes(facts).filter_map(|lane| lane.stopped.as_ref());
    let lane = stopped
        .filter(|stopped| stopped.needs_attention)
        .map(|stopped| (stopped.code.clone(), stopped.text.clone()))
        .next();
    let run = || {
        failed_runs(facts)
            .find(|run| run.needs_attention)
            .map(cause)
    };
    let (code, text) = lane.or_else(run)?;
    Some(Derived::because(
        ConnectionState::NeedsAttention,
        code,
        text,
    ))
}

fn store_unavailable(facts: &Facts<'_>) -> Option<Derived> {
    let lane = lanes(facts)
        .filter_map(|lane| lane.stopped.as_ref())
        .map(|stopped| (stopped.code.clone(), stopped.text.clone()))
        .next();
    // A reconciliation that failed in the night says nothing of the writes that succeed since.
    let run = || failed_runs(facts).find(|run| schedules::publisher(&run.entity).is_none());
    let (code, text) = lane.or_else(|| run().map(cause))?;
    Some(Derived::because(
        ConnectionState::StoreUnavailable,
        code,
        text,
    ))
}

fn delayed(facts: &Facts<'_>) -> Option<Derived> {
    for (service, lane) in &facts.lanes {
        if matches!(lane, LaneFact::Silent) {
            let text = format!("The service {service} does not answer: changes wait.");
            return Some(Derived::because(
                ConnectionState::Delayed,
                "service.no_answer",
                text,
            ));
        }
    }
    let oldest = oldest_dirty(facts)?;
    (facts.now.since(oldest) > DELAYED_AFTER).then(|| {
        let text = format!("The oldest change waits since {oldest}.");
        Derived::because(ConnectionState::Delayed, "lane.delayed", text)
    })
}

fn catching_up(facts: &Facts<'_>) -> Option<Derived> {
    let oldest = oldest_dirty(facts)?;
    let waiting: u64 = lanes(facts).map(|lane| lane.dirty).sum();
    (facts.now.since(oldest) > CATCHING_UP_AFTER).then(|| {
        let text = format!("{waiting} changes wait to be written.");
        Derived {
            state: ConnectionState::CatchingUp,
            code: None,
            text: Some(text),
        }
    })
}

fn lanes<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a LaneStatus> {
    facts.lanes.iter().filter_map(|(_, lane)| match lane {
        LaneFact::Answered(status) => Some(status.as_ref()),
        LaneFact::Silent | LaneFact::SilentForNow => None,
    })
}

fn oldest_dirty(facts: &Facts<'_>) -> Option<Timestamp> {
    lanes(facts).filter_map(|lane| lane.oldest_dirty).min()
}

/// Runs that failed after the connection was last proven to work: what a person repaired and tested
/// is no cause any more.
fn failed_runs<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Run> {
    let proven = facts
        .connection
        .last_test
        .as_ref()
        .filter(|test| test.status == "green");
    let since = proven.map(|test| test.at);
    facts.runs.iter().filter(move |run| {
        run.error_code.is_some()
            && run
                .finished
                .is_some_and(|at| since.is_none_or(|since| at > since))
    })
}

fn cause(run: &Run) -> (String, String) {
    let text = run
        .error_text
        .clone()
        .unwrap_or_else(|| "The last run failed.".to_owned());
    (run.error_code.clone().unwrap_or_default(), text)
}

#[cfg(test)]
mod tests {
    use storelink_events::rpc::Stopped;

    use super::*;
    use crate::connections::{LastTest, test_connection};

    fn lane(change: impl FnOnce(&mut LaneStatus)) -> (&'static str, LaneFact) {
        let mut status = LaneStatus {
            running: true,
            ..LaneStatus::default()
        };
        change(&mut status);
        ("stock-publisher", LaneFact::Answered(Box::new(status)))
    }

    fn stopped(code: &str, needs_attention: bool) -> Option<Stopped> {
        let code = code.to_owned();
        Some(Stopped {
            code,
            text: "why".to_owned(),
            needs_attention,
            until: None,
        })
    }

    fn failed(connection: &Connection, at: Timestamp, needs_attention: bool) -> Run {
        let mut run = Run::pending(connection, "orders", "schedule", false);
        run.finished = Some(at);
        run.error_code = Some("http.timeout".to_owned());
        run.needs_attention = needs_attention;
        run
    }

    #[test]
    fn the_gravest_cause_decides() {
        use ConnectionState::{CatchingUp, Delayed, Healthy, NeedsAttention, StoreUnavailable};
        let connection = test_connection();
        let now = Timestamp::now();
        let ago = |seconds| Some(now.saturating_sub(Duration::seconds(seconds)));
        let attention = [failed(&connection, now, true)];
        type Case<'a> = (Vec<(&'static str, LaneFact)>, &'a [Run], ConnectionState);
        let cases: Vec<Case<'_>> = vec![
            (vec![], &[], Healthy),
            (vec![lane(|lane| lane.oldest_dirty = ago(29))], &[], Healthy),
            (
                vec![lane(|lane| lane.oldest_dirty = ago(31))],
                &[],
                CatchingUp,
            ),
            (
                vec![lane(|lane| lane.oldest_dirty = ago(301))],
                &[],
                Delayed,
            ),
            (
                vec![("price-publisher", LaneFact::SilentForNow)],
                &[],
                Healthy,
            ),
            (vec![("price-publisher", LaneFact::Silent)], &[], Delayed),
            (
                vec![lane(|lane| lane.stopped = stopped("a", false))],
                &[],
                StoreUnavailable,
            ),
            (
                vec![lane(|lane| lane.stopped = stopped("a", true))],
                &[],
                NeedsAttention,
            ),
            (
                vec![lane(|lane| lane.stopped = stopped("a", false))],
                &attention,
                NeedsAttention,
            ),
        ];
        for (lanes, runs, wanted) in cases {
            let shown = format!("{lanes:?}");
            let facts = Facts {
                connection: &connection,
                lanes,
                runs,
                now,
            };
            assert_eq!(derive(&facts).state, wanted, "{shown}");
        }
    }

    #[test]
    fn a_failure_before_the_last_green_test_is_no_cause() {
        let mut connection = test_connection();
        let now = Timestamp::now();
        let at = |seconds| now.saturating_sub(Duration::seconds(seconds));
        let runs = [failed(&connection, at(60), true)];
        let state = |connection: &Connection| {
            derive(&Facts {
                connection,
                lanes: Vec::new(),
                runs: &runs,
                now,
            })
            .state
        };
        assert_eq!(state(&connection), ConnectionState::NeedsAttention);
        let test = |seconds, status: &str| {
            Some(LastTest {
                at: at(seconds),
                status: status.to_owned(),
                code: None,
            })
        };
        for (last_test, wanted) in [
            (test(30, "green"), ConnectionState::Healthy),
            (test(30, "red"), ConnectionState::NeedsAttention),
            (test(90, "green"), ConnectionState::NeedsAttention),
        ] {
            connection.last_test = last_test;
            assert_eq!(state(&connection), wanted);
        }
    }

    #[test]
    fn the_row_alone_decides_for_drafts_and_paused_connections() {
        let mut connection = test_connection();
        connection.paused_since = Some(Timestamp::now());
        connection.pause_reason = Some("Moving".to_owned());
        let paused = by_row(&connection).unwrap();
        assert_eq!(
            (paused.state, paused.text.as_deref()),
            (ConnectionState::Paused, Some("Moving"))
        );
        connection.activated = None;
        assert_eq!(by_row(&connection).unwrap().state, ConnectionState::Draft);
    }
}
