//! What one user may do, said in the terms of the bus, and what that means in subjects.

use std::collections::BTreeSet;

use crate::streams::{ConsumerSpec, bucket_stream};

use super::inbox_prefix;

/// One user of the broker with everything that it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUser {
    name: String,
    purpose: &'static str,
    unlimited: bool,
    publish: BTreeSet<String>,
    subscribe: BTreeSet<String>,
    serves: BTreeSet<String>,
    asks: BTreeSet<String>,
}

impl BrokerUser {
    /// A user that may connect and hear its own answers.
    pub(super) fn new(name: impl Into<String>, purpose: &'static str) -> Self {
        let name = name.into();
        Self {
            subscribe: BTreeSet::from([format!("{}.>", inbox_prefix(&name))]),
            // Asked at the start: does the server keep streams?
            publish: BTreeSet::from(["$JS.API.INFO".to_owned()]),
            name,
            purpose,
            unlimited: false,
            serves: BTreeSet::new(),
            asks: BTreeSet::new(),
        }
    }

    /// Its name: that of the role.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in one line.
    pub fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// True when it may do everything within the account.
    pub fn is_unlimited(&self) -> bool {
        self.unlimited
    }

    /// The subjects on which it may publish, answers to other users aside.
    pub fn publishes(&self) -> impl Iterator<Item = &str> {
        self.publish.iter().map(String::as_str)
    }

    /// The subjects to which it may subscribe.
    pub fn subscribes(&self) -> impl Iterator<Item = &str> {
        self.subscribe.iter().map(String::as_str)
    }

    /// The inboxes of those of `users` that ask what this one answers.
    pub fn answers<'a>(&'a self, users: &'a [Self]) -> impl Iterator<Item = String> + 'a {
        let asking = users
            .iter()
            .filter(|user| !user.asks.is_disjoint(&self.serves));
        asking.map(|user| format!("{}.>", inbox_prefix(&user.name)))
    }

    pub(super) fn unlimited(mut self) -> Self {
        self.unlimited = true;
        self
    }

    /// Publishes on these subjects.
    pub(super) fn says(mut self, subjects: &[&str]) -> Self {
        self.publish
            .extend(subjects.iter().map(|&subject| subject.to_owned()));
        self
    }

    /// Publishes on condition that nobody else did meanwhile: what stands there instead is looked at,
    /// since it may be its own.
    pub(super) fn says_in_turn(self, stream: &str, subject: &str) -> Self {
        self.says(&[subject, &format!("$JS.API.DIRECT.GET.{stream}")])
    }

    /// Takes the messages of a durable consumer, and parks what it cannot do.
    pub(super) fn works(self, consumer: &ConsumerSpec) -> Self {
        let (stream, name) = (consumer.stream, &consumer.name);
        self.says(&[
            &format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"),
            &format!("$JS.ACK.{stream}.{name}.>"),
            &format!("dead.{stream}.>"),
        ])
    }

    /// Reads a last-value stream from its beginning and follows it, by a consumer without a name: the
    /// subject leaves no room for the name of somebody's durable one.
    pub(super) fn follows(self, stream: &str) -> Self {
        self.looks_at(stream).says(&[
            &format!("$JS.API.CONSUMER.CREATE.{stream}"),
            &format!("$JS.API.CONSUMER.INFO.{stream}.*"),
            &format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.*"),
        ])
    }

    /// Looks at the state of a stream.
    pub(super) fn looks_at(self, stream: &str) -> Self {
        self.says(&[&format!("$JS.API.STREAM.INFO.{stream}")])
    }

    /// Reads the last message of each of these subjects of a stream.
    pub(super) fn looks_up(self, stream: &str, subject: &str) -> Self {
        self.says(&[&format!("$JS.API.DIRECT.GET.{stream}.{subject}")])
    }

    /// Removes messages of a stream.
    pub(super) fn purges(self, stream: &str) -> Self {
        self.says(&[&format!("$JS.API.STREAM.PURGE.{stream}")])
    }

    /// Reads single keys of a bucket.
    pub(super) fn reads_bucket(self, bucket: &str) -> Self {
        self.looks_up(&bucket_stream(bucket), &format!("$KV.{bucket}.>"))
    }

    /// Follows all keys of a bucket.
    pub(super) fn watches_bucket(self, bucket: &str) -> Self {
        self.follows(&bucket_stream(bucket))
    }

    /// Writes keys of a bucket.
    pub(super) fn writes_bucket(self, bucket: &str) -> Self {
        self.reads_bucket(bucket)
            .says_in_turn(&bucket_stream(bucket), &format!("$KV.{bucket}.>"))
    }

    /// Answers the questions to a service; who may ask is told by [`asks`](Self::asks).
    pub(super) fn serves(mut self, service: &str) -> Self {
        self.serves.insert(service.to_owned());
        self.subscribe.insert(format!("rpc.{service}.>"));
        self
    }

    /// Asks a service these questions; one of its processes with `*.<verb>`.
    pub(super) fn asks(mut self, service: &str, verbs: &[&str]) -> Self {
        self.asks.insert(service.to_owned());
        let subject = |verb: &&str| format!("rpc.{service}.{verb}");
        self.publish.extend(verbs.iter().map(subject));
        self
    }

    /// Makes streams and consumers and changes them.
    pub(super) fn makes_streams(self) -> Self {
        self.says(&[
            "$JS.API.STREAM.INFO.*",
            "$JS.API.STREAM.CREATE.*",
            "$JS.API.STREAM.UPDATE.*",
            "$JS.API.CONSUMER.INFO.*.*",
            "$JS.API.CONSUMER.CREATE.>",
        ])
    }

    /// May also do everything that another user may, which keeps its inbox to itself.
    pub(super) fn and(mut self, other: &Self) -> Self {
        let inbox = format!("{}.>", inbox_prefix(&other.name));
        self.publish.extend(other.publish.iter().cloned());
        let heard = other.subscribe.iter().filter(|&subject| *subject != inbox);
        self.subscribe.extend(heard.cloned());
        self.serves.extend(other.serves.iter().cloned());
        self.asks.extend(other.asks.iter().cloned());
        self
    }
}
