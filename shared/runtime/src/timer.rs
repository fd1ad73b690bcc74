//! Waiting.

use std::future::Future;
use std::time::Duration;

use crate::Instant;

/// It took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it took too long")
    }
}

impl std::error::Error for Elapsed {}

/// Waits.
pub async fn sleep(duration: Duration) {
    #[cfg(feature = "simulated")]
    if let Some(machine) = crate::simulated::current() {
        return machine.sleep(duration).await;
    }
    tokio::time::sleep(duration).await;
}

/// Waits until then.
pub async fn sleep_until(then: Instant) {
    sleep(then.saturating_duration_since(Instant::now())).await;
}

/// Waits for a future, but not for longer than `limit`.
///
/// # Errors
/// [`Elapsed`]; the future is dropped then.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let (future, over) = (std::pin::pin!(future), std::pin::pin!(sleep(limit)));
    match futures::future::select(future, over).await {
        futures::future::Either::Left((output, _)) => Ok(output),
        futures::future::Either::Right(_) => Err(Elapsed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_what_it_waits_for_or_at_its_limit() {
        assert_eq!(timeout(Duration::from_secs(60), async { 7 }).await, Ok(7));
        let never = std::future::pending::<()>();
        assert_eq!(timeout(Duration::from_millis(5), never).await, Err(Elapsed));
        let begun = Instant::now();
        sleep_until(begun + Duration::from_millis(5)).await;
        assert!(begun.elapsed() >= Duration::from_millis(5));
    }
}
