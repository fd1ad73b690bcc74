//! How much memory every process takes, once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

const INTERVAL: Duration = Duration::from_secs(1);
/// What no process may take at any time, MiB.
pub const LIMIT_MIB: u64 = 256;
/// A process has fallen back when it takes no more than this above its value after the warm-up, beside
/// the page caches that may have filled up since…
const BACK_MIB: u64 = 32;
/// … or than a fifth above it.
const BACK_SHARE: u64 = 5;

/// Samples the processes that it is told of.
pub struct Memory {
    samples: Arc<Mutex<Samples>>,
    sampling: JoinHandle<()>,
    page_caches_mib: u64,
}

#[derive(Default)]
struct Samples {
    processes: BTreeMap<String, u32>,
    /// The highest resident size of any process of the name, MiB.
    peaks: BTreeMap<String, u64>,
    warm: BTreeMap<String, u64>,
}

impl Memory {
    /// Begins. A process's page caches of its database have so much room, MiB, which fills up with the
    /// database and is never given back.
    #[must_use]
    pub fn watch(page_caches_mib: u64) -> Self {
        let samples = Arc::new(Mutex::new(Samples::default()));
        let shared = Arc::clone(&samples);
        let sampling = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                ticks.tick().await;
                take(&shared).sample();
            }
        });
        Self {
            samples,
            sampling,
            page_caches_mib,
        }
    }

    /// From now on these processes are sampled, by name.
    pub fn follow(&self, processes: BTreeMap<String, u32>) {
        let mut samples = take(&self.samples);
        // The last look at those that are about to go.
        samples.sample();
        samples.processes = processes;
    }

    /// The values now are those after the warm-up, of every process that has none yet.
    pub fn is_warm(&self) {
        let mut samples = take(&self.samples);
        for (name, now) in samples.now() {
            samples.warm.entry(name).or_insert(now);
        }
    }

    /// The last look at a process that is about to be killed.
    pub fn look(&self) {
        take(&self.samples).sample();
    }

    /// The highest resident size of each process so far, MiB.
    #[must_use]
    pub fn peaks(&self) -> BTreeMap<String, u64> {
        let mut samples = take(&self.samples);
        samples.sample();
        samples.peaks.clone()
    }

    /// The processes that take much more than after the warm-up, with both values in MiB, and those
    /// that nobody looked at then.
    #[must_use]
    pub fn not_fallen_back(&self) -> Vec<String> {
        let samples = take(&self.samples);
        let above = |(name, now): (String, u64)| {
            let Some(warm) = samples.warm.get(&name).copied() else {
                return Some(format!("{name} was not looked at after the warm-up"));
            };
            let more = BACK_MIB.max(warm / BACK_SHARE) + self.page_caches_mib;
            let allowed = warm + more;
            (now > allowed).then(|| format!("{name} takes {now} MiB, {warm} after the warm-up"))
        };
        samples.now().into_iter().filter_map(above).collect()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.sampling.abort();
    }
}

impl Samples {
    fn sample(&mut self) {
        for (name, process) in &self.processes {
            // The kernel keeps the highest value itself, so nothing between two looks is missed.
            if let Some(peak) = status(*process, "VmHWM:") {
                let known = self.peaks.entry(name.clone()).or_default();
                *known = peak.max(*known);
            }
        }
    }

    fn now(&self) -> BTreeMap<String, u64> {
        let resident = self
            .processes
            .iter()
            .filter_map(|(name, process)| Some((name.clone(), status(*process, "VmRSS:")?)));
        resident.collect()
    }
}

/// A line of `/proc/<id>/status` in MiB, rounded up; none when the process is gone.
fn status(process: u32, member: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(member))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1_024))
}

fn take(samples: &Mutex<Samples>) -> MutexGuard<'_, Samples> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_peak_of_a_process_and_what_it_takes_now_are_seen() {
        let memory = Memory::watch(0);
        let own = std::process::id();
        memory.follow(BTreeMap::from([("own".to_owned(), own)]));
        memory.is_warm();
        assert!(memory.not_fallen_back().is_empty());
        let ballast = vec![1_u8; 80 << 20];
        assert!(
            memory
                .not_fallen_back()
                .iter()
                .any(|text| text.starts_with("own "))
        );
        assert!(memory.peaks().get("own").is_some_and(|peak| *peak > 80));
        drop(ballast);
        assert!(memory.not_fallen_back().is_empty());
        let new = ("new".to_owned(), own);
        memory.follow(BTreeMap::from([("own".to_owned(), own), new]));
        let unknown = memory.not_fallen_back();
        assert!(
            matches!(unknown.as_slice(), [text] if text.starts_with("new ")),
            "{unknown:?}"
        );
        memory.is_warm();
        assert!(memory.not_fallen_back().is_empty());
    }
}
