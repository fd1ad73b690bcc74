//! How many messages the work loops of a process have in hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Messages in hand by consumer. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct InHand(Arc<Mutex<BTreeMap<String, usize>>>);

/// Some messages in hand; dropping it lets them go.
#[derive(Debug)]
pub(super) struct Taken {
    in_hand: InHand,
    consumer: String,
    count: usize,
}

impl InHand {
    /// So many messages of a consumer are in hand from now on.
    pub(super) fn take(&self, consumer: &str, count: usize) -> Taken {
        *self.lock().entry(consumer.to_owned()).or_default() += count;
        Taken {
            in_hand: self.clone(),
            consumer: consumer.to_owned(),
            count,
        }
    }

    pub(crate) fn counts(&self) -> Vec<(String, usize)> {
        let counts = self.lock();
        let counts = counts
            .iter()
            .map(|(consumer, count)| (consumer.clone(), *count));
        counts.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(count) = self.in_hand.lock().get_mut(&self.consumer) {
            *count = count.saturating_sub(self.count);
        }
    }
}
