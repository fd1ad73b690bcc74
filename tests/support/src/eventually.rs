//! Waiting for a condition, bounded, with the reason why it is not met yet.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep, timeout};

/// The usual pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(50);

/// Asks `probe` again and again until it answers without an error.
///
/// # Errors
/// After `limit`: the last error of the probe, that is, what is still missing.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    probe: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    eventually_every(POLL, what, limit, probe).await
}

/// The same with a pause of its own between two looks, where looking costs something.
///
/// # Errors
/// As [`eventually`].
pub async fn eventually_every<T>(
    pause: Duration,
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    let mut last = anyhow::anyhow!("it was never answered");
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout(left, probe()).await {
            Ok(Ok(met)) => return Ok(met),
            Ok(Err(missing)) => last = missing,
            Err(_) => {}
        }
        if Instant::now() + pause >= deadline {
            return Err(last).with_context(|| format!("{what}: not within {limit:?}"));
        }
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_ends_with_the_answer_or_with_what_is_missing() {
        let mut asked = 0;
        let met = eventually("three", Duration::from_secs(10), async || {
            asked += 1;
            anyhow::ensure!(asked == 3, "only {asked}");
            Ok(asked)
        });
        assert_eq!(met.await.unwrap(), 3);
        let never = eventually("five", Duration::from_millis(120), async || {
            anyhow::bail!("only three");
            #[expect(unreachable_code, reason = "names the type of the answer")]
            Ok(())
        });
        let error = format!("{:#}", never.await.unwrap_err());
        assert_eq!(error, "five: not within 120ms: only three");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_is_cut_off() {
        let hanging = eventually("ever", Duration::from_millis(120), async || {
            std::future::pending::<anyhow::Result<()>>().await
        });
        let error = format!("{:#}", hanging.await.unwrap_err());
        assert!(error.contains("never answered"), "{error}");
    }
}
