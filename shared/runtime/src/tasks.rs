//! Tasks beside the one that asks.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::{AbortHandle, Aborted, abortable};
use tokio::sync::mpsc;

/// Runs a task beside this one; what becomes of it is not told.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    #[cfg(feature = "simulated")]
    if let Some(machine) = crate::simulated::current() {
        machine.spawn(Box::pin(task));
        return;
    }
    tokio::spawn(task);
}

/// One task of a [`TaskSet`]; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

/// A task that ended.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub task: TaskId,
    /// What it said when it panicked.
    pub panicked: Option<String>,
}

/// Tasks that end when this is dropped.
#[derive(Debug)]
pub struct TaskSet {
    running: BTreeMap<TaskId, AbortHandle>,
    next: u64,
    tell: mpsc::UnboundedSender<Ended>,
    ended: mpsc::UnboundedReceiver<Ended>,
}

impl Default for TaskSet {
    fn default() -> Self {
        // Never more entries than tasks.
        let (tell, ended) = mpsc::unbounded_channel();
        Self {
            running: BTreeMap::new(),
            next: 0,
            tell,
            ended,
        }
    }
}

impl TaskSet {
    /// Runs a task.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> TaskId {
        self.next += 1;
        let id = TaskId(self.next);
        let (task, abort) = abortable(AssertUnwindSafe(task).catch_unwind());
        self.running.insert(id, abort);
        let tell = self.tell.clone();
        spawn(async move {
            let panicked = match task.await {
                Ok(Ok(())) | Err(Aborted) => None,
                Ok(Err(panic)) => Some(words_of(panic.as_ref())),
            };
            tell.send(Ended { task: id, panicked }).ok();
        });
        id
    }

    /// How many run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// One that ended; none when all others run.
    pub fn try_join_next(&mut self) -> Option<Ended> {
        let ended = self.ended.try_recv().ok()?;
        self.running.remove(&ended.task);
        Some(ended)
    }

    /// Waits until one ends; none when none runs.
    pub async fn join_next(&mut self) -> Option<Ended> {
        if self.running.is_empty() {
            return None;
        }
        let ended = self.ended.recv().await?;
        self.running.remove(&ended.task);
        Some(ended)
    }

    /// Ends all tasks where they stand.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    fn abort_all(&self) {
        for task in self.running.values() {
            task.abort();
        }
    }
}

impl Drop for TaskSet {
    fn drop(&mut self) {
        self.abort_all();
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    words.unwrap_or_else(|| "it panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_task_is_told_of_once_however_it_ended() {
        let mut set = TaskSet::default();
        assert!(set.join_next().await.is_none());
        let done = set.spawn(async {});
        let panicked = set.spawn(async { panic!("a mistake") });
        let mut ended = Vec::new();
        while let Some(one) = set.join_next().await {
            ended.push((one.task, one.panicked));
        }
        ended.sort();
        let words = Some("a mistake".to_owned());
        assert_eq!(ended, [(done, None), (panicked, words)]);
        set.spawn(std::future::pending());
        assert_eq!((set.len(), set.is_empty()), (1, false));
        set.shutdown().await;
        assert!(set.is_empty() && set.try_join_next().is_none());
    }

    #[tokio::test]
    async fn tasks_end_with_their_set() {
        let mut set = TaskSet::default();
        let (held, end) = tokio::sync::oneshot::channel::<()>();
        set.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(set);
        assert!(end.await.is_err());
    }
}
