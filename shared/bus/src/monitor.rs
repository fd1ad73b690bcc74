//! What the broker says outside of answers: state changes and asynchronous errors.
//!
//! A refused permission reaches a caller only as a timeout; the reason comes here. Publishing
//! and requests look here while they wait, so that a missing permission is named as such.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Event, ServerError};
use tokio::sync::watch;

use crate::Forbidden;

/// How many violations are remembered for callers that are waiting.
const REMEMBERED: usize = 256;

/// What a broker user was not allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    /// Publish to the subject.
    Publish,
    /// Subscribe to the subject.
    Subscription,
}

/// A refused permission, as the server reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was refused.
    pub kind: ViolationKind,
    /// The subject.
    pub subject: String,
    number: u64,
}

impl Violation {
    /// Its number since the start of the process, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

#[derive(Debug)]
pub(crate) struct Monitor {
    user: String,
    recent: Mutex<VecDeque<Violation>>,
    violations: watch::Sender<u64>,
    errors: AtomicU64,
    connected: watch::Sender<Link>,
}

/// The state of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) up: bool,
    /// Counts the connections made; a change means that answers may have been lost.
    pub(crate) generation: u64,
    pub(crate) closed: bool,
}

impl Monitor {
    pub(crate) fn new(user: String) -> Arc<Self> {
        Arc::new(Self {
            user,
            recent: Mutex::new(VecDeque::new()),
            violations: watch::Sender::new(0),
            errors: AtomicU64::new(0),
            connected: watch::Sender::new(Link::default()),
        })
    }

    pub(crate) fn observe(&self, event: &Event) {
        match event {
            Event::Connected => {
                tracing::info!("connected to the broker");
                // Each connection subscribes anew and is refused anew.
                self.recent().retain(|v| v.kind == ViolationKind::Publish);
                self.connected.send_modify(|link| {
                    link.up = true;
                    link.generation += 1;
                });
            }
            Event::Disconnected => {
                tracing::warn!("connection to the broker lost, connecting again");
                self.connected.send_modify(|link| link.up = false);
            }
            Event::Closed => {
                tracing::info!("connection to the broker closed");
                self.connected.send_modify(|link| {
                    link.up = false;
                    link.closed = true;
                });
            }
            Event::Draining | Event::LameDuckMode => tracing::info!(%event, "broker event"),
            Event::ServerError(ServerError::Other(text)) => self.server_error(text),
            Event::ServerError(_) | Event::SlowConsumer(_) | Event::ClientError(_) => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%event, "broker reported an error");
            }
        }
    }

    fn server_error(&self, text: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let Some((kind, subject)) = parse_violation(text) else {
            tracing::error!(error = text, "broker reported an error");
            return;
        };
        tracing::error!(
            code = Forbidden::CODE,
            ?kind,
            subject,
            user = self.user,
            "the broker forbids what this process asks for"
        );
        let mut recent = self.recent();
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        let number = *self.violations.borrow() + 1;
        recent.push_back(Violation {
            kind,
            subject,
            number,
        });
        drop(recent);
        self.violations.send_replace(number);
    }

    /// All violations so far.
    pub(crate) fn violation_count(&self) -> u64 {
        *self.violations.borrow()
    }

    /// All asynchronous errors so far, violations included.
    pub(crate) fn error_count(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.connected.subscribe()
    }

    /// Waits until a publish to `subject` is refused by a violation later than number `since`.
    pub(crate) async fn publish_refused(&self, subject: &str, since: u64) -> Violation {
        self.wait(|| self.find_publish(subject, since)).await
    }

    /// Waits until a subscription to `subject` is refused by a violation later than number `since`.
    pub(crate) async fn subscription_refused(&self, subject: &str, since: u64) -> Violation {
        let refused = |v: &Violation| v.kind == ViolationKind::Subscription && v.subject == subject;
        self.wait(|| self.find(since, refused)).await
    }

    /// Waits until it is known that no answer can arrive at all.
    pub(crate) async fn inbox_refused(&self, inbox_prefix: &str) -> Violation {
        self.wait(|| self.find_inbox(inbox_prefix)).await
    }

    /// Waits for a violation later than number `since`.
    pub(crate) async fn violation_after(&self, since: u64) -> Violation {
        self.wait(|| self.find(since, |_| true)).await
    }

    async fn wait(&self, found: impl Fn() -> Option<Violation>) -> Violation {
        let mut changes = self.violations.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(violation) = found() {
                return violation;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    pub(crate) fn find_publish(&self, subject: &str, since: u64) -> Option<Violation> {
        self.find(since, |v| {
            v.kind == ViolationKind::Publish && v.subject == subject
        })
    }

    /// A violation of this connection that explains why no answer can arrive at all.
    pub(crate) fn find_inbox(&self, inbox_prefix: &str) -> Option<Violation> {
        self.find(0, |v| {
            v.kind == ViolationKind::Subscription && v.subject.starts_with(inbox_prefix)
        })
    }

    fn find(&self, since: u64, wanted: impl Fn(&Violation) -> bool) -> Option<Violation> {
        self.recent()
            .iter()
            .find(|v| v.number > since && wanted(v))
            .cloned()
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Violation>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads `Permissions Violation for Publish to "stock.x"` and the subscription form, which may
/// go on with `using queue "…"`.
fn parse_violation(text: &str) -> Option<(ViolationKind, String)> {
    let lower = text.to_ascii_lowercase();
    let kind = if lower.starts_with("permissions violation for publish to ") {
        ViolationKind::Publish
    } else if lower.starts_with("permissions violation for subscription to ") {
        ViolationKind::Subscription
    } else {
        return None;
    };
    let subject = text.split('"').nth(1)?;
    Some((kind, subject.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_read_with_their_subject() {
        assert_eq!(
            parse_violation(r#"Permissions Violation for Publish to "stock.X""#),
            Some((ViolationKind::Publish, "stock.X".into()))
        );
        assert_eq!(
            parse_violation(r#"permissions violation for subscription to "a.>" using queue "q""#),
            Some((ViolationKind::Subscription, "a.>".into()))
        );
        assert_eq!(parse_violation("maximum connections exceeded"), None);
    }

    #[test]
    fn only_later_violations_of_the_subject_count() {
        let monitor = Monitor::new("role".into());
        monitor.server_error(r#"Permissions Violation for Publish to "a""#);
        assert_eq!(monitor.violation_count(), 1);
        assert!(monitor.find_publish("a", 0).is_some());
        assert!(monitor.find_publish("a", 1).is_none());
        assert!(monitor.find_publish("b", 0).is_none());
    }
}
