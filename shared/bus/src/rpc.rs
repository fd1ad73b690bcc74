//! Questions between services: one request, one answer, an error with a code.
//!
//! Nothing is stored: when no service listens, the caller is told at once. The answer is JSON,
//! `{"ok": …}` or `{"error": {"code": …, "text": …}}`.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_nats::RequestErrorKind;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Bus, Forbidden, Headers, TraceContext};

/// How long running requests get after the cancel: a process has 28 s from the signal to its end.
const DRAIN: Duration = Duration::from_secs(15);

/// An error that a service answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text} ({code})")]
pub struct Fault {
    /// Stable code.
    pub code: String,
    /// For a person; holds no secret.
    pub text: String,
}

impl Fault {
    /// An error with a stable code and a text for a person.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            text: text.into(),
        }
    }
}

/// No answer, or one that says why not.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The service answered with an error.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// No service listens.
    #[error("no service answers {subject}: is its role running?")]
    NoService {
        /// The subject.
        subject: String,
    },
    /// A service listens and did not answer in time.
    #[error("no answer from {subject} within {limit:?}")]
    TimedOut {
        /// The subject.
        subject: String,
        /// The limit.
        limit: Duration,
    },
    /// The broker user may not ask, may not receive the answer, or may not hear the questions.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The request could not be sent.
    #[error("{subject} cannot be asked: {text}")]
    NotSent {
        /// The subject.
        subject: String,
        /// What happened.
        text: String,
    },
    /// The answer is not what was expected.
    #[error("the answer of {subject} is not understood: {text}")]
    Answer {
        /// The subject.
        subject: String,
        /// Where and why.
        text: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer<T> {
    Ok(T),
    Error(Fault),
}

impl Bus {
    /// Asks a service and waits up to `limit` for its answer.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn request<Req, Resp>(
        &self,
        subject: &str,
        request: &Req,
        limit: Duration,
    ) -> Result<Resp, RpcError>
    where
        Req: Serialize + ?Sized,
        Resp: DeserializeOwned,
    {
        self.request_traced(subject, request, limit, None).await
    }

    /// Asks a service within a trace and waits up to `limit` for its answer.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn request_traced<Req, Resp>(
        &self,
        subject: &str,
        request: &Req,
        limit: Duration,
        trace: Option<&TraceContext>,
    ) -> Result<Resp, RpcError>
    where
        Req: Serialize + ?Sized,
        Resp: DeserializeOwned,
    {
        let not_sent = |text: String| RpcError::NotSent {
            subject: subject.to_owned(),
            text,
        };
        let body = serde_json::to_vec(request).map_err(|error| not_sent(error.to_string()))?;
        let mut message = async_nats::Request::new()
            .payload(body.into())
            .timeout(Some(limit));
        if let Some(trace) = trace {
            let mut headers = Headers::new();
            trace.inject(&mut headers);
            message = message.headers(headers.into_map());
        }

        let asking = self.client().send_request(subject.to_owned(), message);
        let answer = self.permitted(subject, asking).await?;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => RpcError::NoService {
                subject: subject.to_owned(),
            },
            RequestErrorKind::TimedOut => match self.monitor().find_inbox(self.inbox_prefix()) {
                Some(violation) => self.forbidden(violation).into(),
                None => RpcError::TimedOut {
                    subject: subject.to_owned(),
                    limit,
                },
            },
            _ => not_sent(error.to_string()),
        })?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Answer::Ok(value)) => Ok(value),
            Ok(Answer::Error(fault)) => Err(RpcError::Fault(fault)),
            Err(error) => Err(RpcError::Answer {
                subject: subject.to_owned(),
                text: error.to_string(),
            }),
        }
    }
}

/// A request as a handler sees it.
#[derive(Clone, Debug)]
pub struct Call<Req> {
    /// What is asked.
    pub request: Req,
    /// The subject on which it came.
    pub subject: String,
    /// The caller's trace context.
    pub trace: Option<TraceContext>,
}

/// Answers the requests of one subject; replicas of a service share them by the queue group.
#[derive(Debug)]
pub struct Endpoint<Req> {
    bus: Bus,
    subject: String,
    queue_group: String,
    concurrency: usize,
    time_limit: Duration,
    request: PhantomData<fn() -> Req>,
}

impl<Req: DeserializeOwned + Send + 'static> Endpoint<Req> {
    /// An endpoint with at most 32 requests at work and 30 s for each.
    pub fn new(bus: &Bus, subject: impl Into<String>, queue_group: impl Into<String>) -> Self {
        Self {
            bus: bus.clone(),
            subject: subject.into(),
            queue_group: queue_group.into(),
            concurrency: 32,
            time_limit: Duration::from_secs(30),
            request: PhantomData,
        }
    }

    /// Requests that are worked on at the same time; more of them wait.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// How long one request may take.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Answers until cancelled; then lets running requests end, for 15 s at most.
    ///
    /// # Errors
    /// When the broker user may not subscribe.
    pub async fn serve<Resp, H, F>(
        self,
        handler: H,
        cancel: CancellationToken,
    ) -> Result<(), RpcError>
    where
        Resp: Serialize + Send + 'static,
        H: Fn(Call<Req>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Resp, Fault>> + Send + 'static,
    {
        let bus = self.bus.clone();
        let since = bus.monitor().violation_count();
        let mut requests = bus
            .client()
            .queue_subscribe(self.subject.clone(), self.queue_group.clone())
            .await
            .map_err(|error| RpcError::NotSent {
                subject: self.subject.clone(),
                text: error.to_string(),
            })?;
        let (endpoint, handler) = (Arc::new(self), Arc::new(handler));
        let slots = Arc::new(Semaphore::new(endpoint.concurrency));
        let running = TaskTracker::new();
        let refused = bus.monitor().subscription_refused(&endpoint.subject, since);
        let mut refused = std::pin::pin!(refused);
        let outcome = loop {
            // The slot comes first: what waits stays with the subscription, which is bounded.
            let next = async {
                let slot = slots.clone().acquire_owned().await.ok()?;
                Some((slot, requests.next().await?))
            };
            let (slot, message) = tokio::select! {
                biased;
                () = cancel.cancelled() => break Ok(()),
                // Nothing would ever come; asking again is of no use before the users are put right.
                violation = &mut refused => break Err(bus.forbidden(violation).into()),
                next = next => match next {
                    Some(next) => next,
                    None => break Ok(()),
                },
            };
            let (endpoint, handler) = (endpoint.clone(), handler.clone());
            running.spawn(async move {
                endpoint.answer(&*handler, message).await;
                drop(slot);
            });
        };
        requests.unsubscribe().await.ok();
        running.close();
        let drain = endpoint.time_limit.min(DRAIN);
        if timeout(drain, running.wait()).await.is_err() {
            tracing::warn!(
                subject = endpoint.subject,
                unfinished = running.len(),
                "requests did not end in time; their callers are told by their own time limit"
            );
        }
        outcome
    }

    async fn answer<Resp, H, F>(&self, handler: &H, message: async_nats::Message)
    where
        Resp: Serialize + Send + 'static,
        H: Fn(Call<Req>) -> F,
        F: Future<Output = Result<Resp, Fault>> + Send + 'static,
    {
        let Some(reply) = message.reply else {
            tracing::warn!(subject = %message.subject, "a request without reply subject is ignored");
            return;
        };
        let result = match serde_json::from_slice::<Req>(&message.payload) {
            Ok(request) => {
                let headers = Headers::from(message.headers.unwrap_or_default());
                let trace = TraceContext::extract(&headers);
                let call = Call {
                    request,
                    subject: message.subject.to_string(),
                    trace,
                };
                self.carry_out(handler(call)).await
            }
            Err(error) => Err(Fault::new("rpc.invalid_request", error.to_string())),
        };
        let body = self.encode(&message.subject, result);
        if let Err(error) = self.bus.client().publish(reply, body.into()).await {
            tracing::warn!(subject = %message.subject, %error, "answer not sent");
        }
    }

    async fn carry_out<Resp, F>(&self, work: F) -> Result<Resp, Fault>
    where
        Resp: Send + 'static,
        F: Future<Output = Result<Resp, Fault>> + Send + 'static,
    {
        let mut task = tokio::spawn(work);
        match timeout(self.time_limit, &mut task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => {
                tracing::error!(subject = self.subject, %error, "a request ended in a panic");
                Err(Fault::new(
                    "rpc.internal",
                    "the service failed to answer; its log says why",
                ))
            }
            Err(_) => {
                task.abort();
                Err(Fault::new(
                    "rpc.too_slow",
                    "the service did not finish in time",
                ))
            }
        }
    }

    fn encode<Resp: Serialize>(&self, subject: &str, result: Result<Resp, Fault>) -> Vec<u8> {
        let answer = match result {
            Ok(value) => Answer::Ok(value),
            Err(fault) => Answer::Error(fault),
        };
        let limit = self.bus.max_payload();
        match serde_json::to_vec(&answer) {
            Ok(body) if body.len() <= limit => body,
            Ok(body) => {
                let text = format!("the answer has {} bytes, {limit} are possible", body.len());
                fault_body("rpc.answer_too_large", &text)
            }
            Err(error) => {
                tracing::error!(subject, %error, "an answer cannot be written as JSON");
                fault_body("rpc.internal", "the answer cannot be written as JSON")
            }
        }
    }
}

fn fault_body(code: &str, text: &str) -> Vec<u8> {
    let answer: Answer<()> = Answer::Error(Fault::new(code, text));
    serde_json::to_vec(&answer).unwrap_or_default()
}
