//! Switches that make a store misbehave. Each fault says which requests it takes and what it does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::http::Request;

/// A fault of one store, in force from the moment it is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests it takes.
    #[serde(default)]
    pub on: FaultMatch,
    /// What it does to them.
    pub effect: FaultEffect,
}

/// Which requests a fault takes; the default takes all, for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultMatch {
    /// Reads, writes or both.
    pub requests: Requests,
    /// Only paths that contain this text.
    pub path_contains: Option<String>,
    /// Only bodies that contain this text.
    pub body_contains: Option<String>,
    /// Only bodies longer than so many bytes.
    pub body_over: Option<usize>,
    /// Share of the matching requests, 0 to 100.
    pub percent: u8,
    /// Leave so many matching requests alone first.
    pub skip: u32,
    /// End after so many hits.
    pub times: Option<u32>,
    /// End so many milliseconds after it was set.
    pub for_ms: Option<u64>,
}

impl Default for FaultMatch {
    fn default() -> Self {
        Self {
            requests: Requests::All,
            path_contains: None,
            body_contains: None,
            body_over: None,
            percent: 100,
            skip: 0,
            times: None,
            for_ms: None,
        }
    }
}

/// Kind of request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requests {
    /// Every request.
    #[default]
    All,
    /// GET, HEAD, OPTIONS.
    Reads,
    /// All others.
    Writes,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultEffect {
    /// Every request takes longer: a fixed part, up to `jitter_ms` at random, and `row_ms` for every
    /// row of a batch. Effects come at the end.
    Latency {
        /// Milliseconds always added.
        ms: u64,
        /// Milliseconds added at random on top.
        #[serde(default)]
        jitter_ms: u64,
        /// Milliseconds added for every row of a batch.
        #[serde(default)]
        row_ms: u64,
    },
    /// The gateway waits so long and no longer: what takes more time by [`FaultEffect::Latency`] is
    /// answered with 504 and done all the same, at its own time.
    GatewayLimit {
        /// Milliseconds until the 504.
        ms: u64,
    },
    /// An error page instead of any work.
    Answer(FaultPage),
    /// At most so many requests in any 60 seconds; the others get 429.
    RateLimit {
        /// Requests allowed in a minute.
        per_minute: u32,
        /// Retry-After in seconds, if the store says any.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// So many requests at once and afterwards so many in a second, evenly; the others get 429.
    Throttle {
        /// Requests a second in the long run.
        per_second: u32,
        /// Requests taken at once by a store that was left alone.
        burst: u32,
    },
    /// The store refuses TCP connections, and open ones are closed. Needs no request to match.
    RefuseConnections,
    /// The connection is closed before anything is done.
    CloseBeforeAnswer,
    /// The work is done, then the connection is closed without an answer.
    ApplyThenClose,
    /// The work is done, then this page is answered instead of the result (recording 183).
    ApplyThenAnswer(FaultPage),
    /// Only the first rows of a batch are done, then this page is answered.
    ApplyRowsThenAnswer {
        /// Rows of the batch that are still done.
        rows: usize,
        /// The page answered.
        page: FaultPage,
    },
    /// No answer: the connection is held and closed; the work is done later all the same.
    ApplyLate {
        /// Milliseconds after arrival at which the work is done.
        after_ms: u64,
        /// Milliseconds after arrival at which the connection is closed.
        hold_ms: u64,
    },
    /// Text around the JSON of an answer that is otherwise right (recordings 172, 172b, 173).
    Noise(Noise),
    /// The answer's body is cut after so many bytes, with a matching length.
    Truncate(usize),
    /// The web server does not hand on the Authorization header (recording 09).
    DropAuthorization,
    /// Permalinks are plain: no API under /wp-json/ (recordings 177 to 179).
    PlainPermalinks,
}

/// An error page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultPage {
    /// Update running: 503 with Retry-After 600, JSON or HTML by the Accept header (170, 170b).
    Maintenance,
    /// 503 of the web server, HTML, with Retry-After in seconds if given.
    Unavailable(Option<u64>),
    /// PHP fatal error, 500, JSON or HTML by the Accept header (174, 175).
    FatalError,
    /// Database down, 500 (176).
    DatabaseDown,
    /// 502 HTML (182).
    BadGateway,
    /// 504 HTML (183).
    GatewayTimeout,
    /// 429 HTML (185), with Retry-After in seconds if given.
    TooManyRequests(Option<u64>),
    /// Firewall, 403 HTML (186).
    Forbidden,
    /// 404 of the web server without rewrite (180).
    NotFound,
    /// Body above the web server's limit, 413 HTML (184).
    BodyTooLarge,
    /// A security plugin closes the API, 401 JSON (171).
    ApiClosed,
    /// 200 with the HTML of the shop's front page.
    FrontPage,
    /// 200 with an empty body.
    Empty,
    /// Address moved: status 301, 302, 307 or 308 to this base address plus the path (181).
    Redirect {
        /// HTTP status.
        status: u16,
        /// New base address without a slash at the end.
        base: String,
    },
}

/// What stands around the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// A PHP warning before it (172).
    Warning,
    /// A byte order mark before it (173).
    ByteOrderMark,
    /// An HTML comment of a cache after it.
    CommentAfter,
}

/// What the faults in force mean for one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    pub(crate) gateway_limit: Option<Duration>,
    pub(crate) page: Option<FaultPage>,
    pub(crate) close_before: bool,
    pub(crate) close_after: bool,
    pub(crate) page_after: Option<FaultPage>,
    pub(crate) row_limit: Option<usize>,
    pub(crate) late: Option<(Duration, Duration)>,
    pub(crate) noise: Vec<Noise>,
    pub(crate) truncate: Option<usize>,
    pub(crate) drop_authorization: bool,
    pub(crate) plain_permalinks: bool,
    pub(crate) names: Vec<String>,
}

/// The faults in force at one store.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

#[derive(Debug)]
struct Armed {
    id: u64,
    fault: Fault,
    since: Instant,
    seen: u32,
    hits: u32,
    window: VecDeque<Instant>,
    /// When a throttled store would have been left alone long enough.
    rested: Instant,
}

impl Faults {
    pub(crate) fn set(&mut self, id: u64, fault: Fault) {
        let since = Instant::now();
        self.0.push(Armed {
            id,
            fault,
            since,
            seen: 0,
            hits: 0,
            window: VecDeque::new(),
            rested: since,
        });
    }

    pub(crate) fn clear(&mut self, id: Option<u64>) {
        self.0.retain(|armed| id.is_some_and(|id| id != armed.id));
    }

    pub(crate) fn list(&self) -> Vec<(u64, Fault)> {
        self.0
            .iter()
            .filter(|a| a.alive())
            .map(|a| (a.id, a.fault.clone()))
            .collect()
    }

    pub(crate) fn refuses_connections(&self) -> bool {
        self.0
            .iter()
            .any(|a| a.alive() && a.fault.effect == FaultEffect::RefuseConnections)
    }

    /// Decides what happens to a request; counts it for every fault it meets.
    pub(crate) fn plan(&mut self, request: &Request) -> Plan {
        self.0.retain(Armed::alive);
        let mut plan = Plan::default();
        for armed in &mut self.0 {
            if armed.takes(request) {
                armed.apply(&mut plan, request);
            }
        }
        plan
    }
}

impl Armed {
    fn alive(&self) -> bool {
        let on = &self.fault.on;
        on.times.is_none_or(|times| self.hits < times)
            && on
                .for_ms
                .is_none_or(|ms| self.since.elapsed() < Duration::from_millis(ms))
    }

    fn takes(&mut self, request: &Request) -> bool {
        let on = &self.fault.on;
        let kind = match on.requests {
            Requests::All => true,
            Requests::Reads => !request.is_write(),
            Requests::Writes => request.is_write(),
        };
        let path = on
            .path_contains
            .as_ref()
            .is_none_or(|text| request.path.contains(text));
        let body = on
            .body_contains
            .as_ref()
            .is_none_or(|text| String::from_utf8_lossy(&request.body).contains(text.as_str()));
        let size = on.body_over.is_none_or(|bytes| request.body.len() > bytes);
        if !(kind && path && body && size) {
            return false;
        }
        self.seen += 1;
        if self.seen <= on.skip || rand::random_range(0..100) >= u32::from(on.percent) {
            return false;
        }
        self.hits += 1;
        true
    }

    fn apply(&mut self, plan: &mut Plan, request: &Request) {
        let name = match &self.fault.effect {
            FaultEffect::Latency {
                ms,
                jitter_ms,
                row_ms,
            } => {
                let jitter = if *jitter_ms == 0 {
                    0
                } else {
                    rand::random_range(0..=*jitter_ms)
                };
                let rows = if *row_ms == 0 { 0 } else { batch_rows(request) };
                plan.delay += Duration::from_millis(ms + jitter + row_ms * rows);
                "latency"
            }
            FaultEffect::GatewayLimit { ms } => {
                plan.gateway_limit = Some(Duration::from_millis(*ms));
                "gateway_limit"
            }
            FaultEffect::Answer(page) => {
                plan.page.get_or_insert_with(|| page.clone());
                "answer"
            }
            FaultEffect::RateLimit {
                per_minute,
                retry_after,
            } => {
                let (limit, retry_after) = (*per_minute as usize, *retry_after);
                if self.within_budget(limit) {
                    return;
                }
                plan.page
                    .get_or_insert(FaultPage::TooManyRequests(retry_after));
                "rate_limit"
            }
            FaultEffect::Throttle { per_second, burst } => {
                if self.within_rate(*per_second, *burst, Instant::now()) {
                    return;
                }
                plan.page.get_or_insert(FaultPage::TooManyRequests(None));
                "throttle"
            }
            FaultEffect::RefuseConnections => {
                plan.close_before = true;
                "refuse_connections"
            }
            FaultEffect::CloseBeforeAnswer => {
                plan.close_before = true;
                "close_before_answer"
            }
            FaultEffect::ApplyThenClose => {
                plan.close_after = true;
                "apply_then_close"
            }
            FaultEffect::ApplyThenAnswer(page) => {
                plan.page_after = Some(page.clone());
                "apply_then_answer"
            }
            FaultEffect::ApplyRowsThenAnswer { rows, page } => {
                plan.row_limit = Some(*rows);
                plan.page_after = Some(page.clone());
                "apply_rows_then_answer"
            }
            FaultEffect::ApplyLate { after_ms, hold_ms } => {
                plan.late = Some((
                    Duration::from_millis(*after_ms),
                    Duration::from_millis(*hold_ms),
                ));
                "apply_late"
            }
            FaultEffect::Noise(noise) => {
                plan.noise.push(*noise);
                "noise"
            }
            FaultEffect::Truncate(bytes) => {
                plan.truncate = Some(*bytes);
                "truncate"
            }
            FaultEffect::DropAuthorization => {
                plan.drop_authorization = true;
                "drop_authorization"
            }
            FaultEffect::PlainPermalinks => {
                plan.plain_permalinks = true;
                "plain_permalinks"
            }
        };
        plan.names.push(name.to_owned());
    }

    fn within_rate(&mut self, per_second: u32, burst: u32, now: Instant) -> bool {
        let distance = Duration::from_secs(1) / per_second.max(1);
        let rested = self.rested.max(now) + distance;
        let allowed = rested.duration_since(now) <= distance * burst.max(1);
        if allowed {
            self.rested = rested;
        }
        allowed
    }

    fn within_budget(&mut self, limit: usize) -> bool {
        let now = Instant::now();
        while self
            .window
            .front()
            .is_some_and(|t| now.duration_since(*t) >= Duration::from_secs(60))
        {
            self.window.pop_front();
        }
        if self.window.len() >= limit {
            return false;
        }
        self.window.push_back(now);
        true
    }
}

/// Rows of a batch in JSON: the entries of all lists in the body.
fn batch_rows(request: &Request) -> u64 {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let lists = body
        .as_object()
        .into_iter()
        .flat_map(|members| members.values());
    lists
        .filter_map(serde_json::Value::as_array)
        .map(|list| list.len() as u64)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a second apart is two a second; a burst of two is taken after a second of rest alone.
    #[test]
    fn a_throttle_takes_its_burst_and_then_its_rate() {
        let mut faults = Faults::default();
        let (per_second, burst) = (2, 2);
        let effect = FaultEffect::Throttle { per_second, burst };
        let on = FaultMatch::default();
        faults.set(1, Fault { on, effect });
        let armed = &mut faults.0[0];
        let began = armed.rested;
        let mut taken =
            |ms| armed.within_rate(per_second, burst, began + Duration::from_millis(ms));
        let first = [0, 0, 0, 499, 500, 1_000, 1_499].map(&mut taken);
        assert_eq!(first, [true, true, false, false, true, true, false]);
        let rested = [2_500, 2_500, 2_500].map(&mut taken);
        assert_eq!(rested, [true, true, false]);
    }
}
