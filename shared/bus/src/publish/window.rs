//! Many publishes in flight, results in the order in which they were pushed.

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, poll};

use super::{Publication, PublishError, Published};
use crate::Bus;

type Result = std::result::Result<Published, PublishError>;

/// Publishes with a bounded number of acknowledgements outstanding.
///
/// Only what is in flight is bounded: one result per message is kept until [`settle`], so settle
/// after a batch or a page, not after a whole stream.
///
/// [`settle`]: Self::settle
///
/// Messages leave in the order in which they are pushed. One that has to be repeated may arrive
/// after later ones: where order counts, set an expected sequence.
pub struct PublishWindow {
    bus: Bus,
    limit: usize,
    in_flight: FuturesUnordered<BoxFuture<'static, (usize, Result)>>,
    results: Vec<Option<Result>>,
}

impl Bus {
    /// A window of at most `limit` messages in flight (about 100 is where more stops helping).
    pub fn window(&self, limit: usize) -> PublishWindow {
        PublishWindow {
            bus: self.clone(),
            limit: limit.max(1),
            in_flight: FuturesUnordered::new(),
            results: Vec::new(),
        }
    }
}

impl PublishWindow {
    /// Sends a message; waits first for room in the window.
    pub async fn push(&mut self, publication: Publication) {
        while self.in_flight.len() >= self.limit {
            self.take_one().await;
        }
        let index = self.results.len();
        self.results.push(None);
        let bus = self.bus.clone();
        let mut publish = async move { (index, bus.publish(publication).await) }.boxed();
        // The first poll hands the message to the connection, which keeps the order.
        match poll!(&mut publish) {
            std::task::Poll::Ready((_, result)) => self.put(index, result),
            std::task::Poll::Pending => self.in_flight.push(publish),
        }
    }

    /// Messages that are not acknowledged yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Waits for all acknowledgements and returns one result per pushed message, in the order of
    /// the pushes. The window is empty afterwards and can be used again.
    pub async fn settle(&mut self) -> Vec<Result> {
        while !self.in_flight.is_empty() {
            self.take_one().await;
        }
        std::mem::take(&mut self.results)
            .into_iter()
            .flatten()
            .collect()
    }

    async fn take_one(&mut self) {
        if let Some((index, result)) = self.in_flight.next().await {
            self.put(index, result);
        }
    }

    fn put(&mut self, index: usize, result: Result) {
        if let Some(place) = self.results.get_mut(index) {
            *place = Some(result);
        }
    }
}
