//! What happened, for whoever looks into a failing seed.

/// Lines kept; the last ones matter.
const KEPT: usize = 20_000;

/// The last lines of what happened, kept only when asked for.
#[derive(Debug, Default)]
pub(super) struct Story {
    told: bool,
    lines: std::collections::VecDeque<String>,
}

impl Story {
    pub(super) fn new(told: bool) -> Self {
        Self {
            told,
            ..Self::default()
        }
    }

    pub(super) fn tell(&mut self, now: i64, line: impl FnOnce() -> String) {
        if !self.told {
            return;
        }
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        self.lines
            .push_back(format!("{seconds:>8}.{micros:06} {}", line()));
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
