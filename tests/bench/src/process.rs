//! Processor time and memory of processes, as the kernel tells them.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

/// Ticks of the processor times in `/proc`: the kernel shows hundredths of a second to programs on every
/// architecture, whatever it counts in itself.
const TICKS_PER_SECOND: u64 = 100;
const LOOK: Duration = Duration::from_millis(100);
/// A process that used no more than this in one look is at rest.
const AT_REST: Duration = Duration::from_millis(10);
/// So many looks in a row.
const RESTING_LOOKS: u32 = 3;

/// Processes that are looked at together.
#[derive(Debug, Clone)]
pub(crate) struct Processes(Vec<u32>);

impl Processes {
    pub(crate) fn of(ids: impl IntoIterator<Item = u32>) -> Self {
        Self(ids.into_iter().collect())
    }

    /// Processor time that they used so far, all threads, in user and in kernel mode.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let times = self.0.iter().map(|id| {
            let text = read(*id, "stat")?;
            processor_time(&text).with_context(|| format!("the times of process {id}: {text}"))
        });
        times.sum()
    }

    /// Memory that they have resident now, bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS")
    }

    /// The most that they ever had resident, bytes.
    pub(crate) fn most_resident(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM")
    }

    /// Waits until they have nothing more to do, or for `longest`.
    pub(crate) async fn rest(&self, longest: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + longest;
        let mut before = self.processor_time()?;
        let mut resting = 0;
        while resting < RESTING_LOOKS && Instant::now() < deadline {
            sleep(LOOK).await;
            let now = self.processor_time()?;
            let at_rest = now.saturating_sub(before) <= AT_REST;
            resting = if at_rest { resting + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    fn memory(&self, name: &str) -> anyhow::Result<u64> {
        let sizes = self.0.iter().map(|id| {
            let text = read(*id, "status")?;
            memory(&text, name).with_context(|| format!("no {name} of process {id}"))
        });
        sizes.sum()
    }
}

fn read(process: u32, file: &str) -> anyhow::Result<String> {
    let path = Path::new("/proc").join(process.to_string()).join(file);
    std::fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))
}

/// User and kernel time of a `stat` line. The name in it may hold anything, but is in parentheses.
fn processor_time(stat: &str) -> Option<Duration> {
    /// The fourteenth and fifteenth field; the state, the third, comes first after the name.
    const USER: usize = 14 - 3;
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split_whitespace().skip(USER);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + kernel) * (1_000 / TICKS_PER_SECOND),
    ))
}

/// A size of a `status` file, bytes.
fn memory(status: &str, name: &str) -> Option<u64> {
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a ) R 9) S 1 42 42 0 -1 4194560 500 0 0 0 123 45 7 8 20 0 4 0 100 1 2";
        assert_eq!(processor_time(stat), Some(Duration::from_millis(1_680)));
        assert_eq!(processor_time("42 (name) S 1 42"), None);
        assert_eq!(processor_time(""), None);
    }

    #[test]
    fn sizes_are_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(memory(status, "VmRSS"), Some(1_048_576));
        assert_eq!(memory(status, "VmHWM"), Some(2_097_152));
        assert_eq!(memory(status, "VmSwap"), None);
    }

    #[test]
    fn work_shows_in_the_times_of_this_process() {
        let this = Processes::of([std::process::id()]);
        let before = this.processor_time().unwrap();
        let mut number = 1_u64;
        while this.processor_time().unwrap() < before + Duration::from_millis(30) {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
        assert!(this.resident().unwrap() > 1 << 20);
        assert!(this.most_resident().unwrap() >= this.resident().unwrap());
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(Processes::of([u32::MAX]).processor_time().is_err());
    }
}
