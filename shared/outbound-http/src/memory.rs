//! How much the answers of many requests may take in memory together.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds what answers take in a process. Clones share the bound.
///
/// Nothing waits here, so nobody who sends slowly keeps others waiting: an answer for which there is no
/// room is given up ([`TransportError::NoRoom`](crate::TransportError::NoRoom)) and asked for again later.
#[derive(Debug, Clone)]
pub struct AnswerMemory {
    bytes: Arc<Semaphore>,
    free: usize,
}

impl AnswerMemory {
    /// Room for `total` bytes of large answers. The first `free` bytes of each lease do not count, so
    /// that small answers always find room.
    #[must_use]
    pub fn new(total: usize, free: usize) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(total.min(Semaphore::MAX_PERMITS))),
            free,
        }
    }

    /// A lease for the answers to one piece of work; its room is given back when the last clone of the
    /// lease is dropped, so hold it until what was made of the answers is gone, too.
    #[must_use]
    pub fn lease(&self) -> AnswerLease {
        AnswerLease(Arc::new(Mutex::new(Held {
            bytes: self.bytes.clone(),
            free: self.free,
            permit: None,
        })))
    }

    /// Bytes that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.available_permits()
    }
}

/// What one piece of work has of an [`AnswerMemory`]. Clones share it.
#[derive(Debug, Clone)]
pub struct AnswerLease(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    bytes: Arc<Semaphore>,
    /// What is left of the bytes that do not count.
    free: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl AnswerLease {
    /// Takes room for more bytes; false when there is not enough.
    pub(crate) fn grow(&self, bytes: usize) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = bytes.saturating_sub(held.free);
        held.free -= bytes - counted;
        if counted == 0 {
            return true;
        }
        let Ok(counted) = u32::try_from(counted) else {
            return false;
        };
        let Ok(more) = held.bytes.clone().try_acquire_many_owned(counted) else {
            return false;
        };
        match &mut held.permit {
            Some(permit) => permit.merge(more),
            None => held.permit = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_does_not_count_and_the_rest_is_bounded_and_given_back() {
        let memory = AnswerMemory::new(1_000, 100);
        let (one, other) = (memory.lease(), memory.lease());
        assert!(one.grow(60) && one.grow(40));
        assert_eq!(memory.left(), 1_000);
        assert!(one.grow(900));
        assert!(other.grow(200), "its first hundred are free");
        assert_eq!(memory.left(), 0);
        assert!(!other.grow(1));
        let shared = one.clone();
        drop(one);
        assert!(!other.grow(1), "a clone holds it still");
        drop(shared);
        assert!(other.grow(900));
        drop(other);
        assert_eq!(memory.left(), 1_000);
    }
}
