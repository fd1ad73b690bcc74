//! How far the records know of a lane's attempts.

/// The attempts of the current epoch by their numbers, which count from 1.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    begun: i64,
    /// Up to this one the records were told what became of them.
    told: i64,
    /// Up to this one the last snapshot covers them.
    covered: i64,
}

impl Attempts {
    /// The number of the next one.
    pub(super) fn begin(&mut self) -> i64 {
        self.begun += 1;
        self.begun
    }

    /// What became of it was handed to the records; what is handed over later is written later.
    pub(super) fn told(&mut self, number: i64) {
        self.told = number;
    }

    /// How many were made since the last snapshot.
    pub(super) fn uncovered(&self, number: i64) -> i64 {
        number - self.covered
    }

    /// A snapshot is taken that covers them up to this one, with what became of it or after that.
    pub(super) fn cover(&mut self, number: i64) {
        self.covered = number;
    }

    /// The last one, unless the records were not told yet what became of it: a snapshot of this moment
    /// would speak for an answer, and for the doubts that it left, that may never be written.
    pub(super) fn last_told(&self) -> Option<i64> {
        (self.told == self.begun).then_some(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_the_records_do_not_have_is_covered_by_no_snapshot_of_the_moment() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.last_told(), Some(0));
        let first = attempts.begin();
        assert_eq!(
            attempts.last_told(),
            None,
            "under way, or settled and not told"
        );
        attempts.told(first);
        assert_eq!(attempts.last_told(), Some(first));
        let second = attempts.begin();
        assert_eq!(
            (attempts.uncovered(second), attempts.last_told()),
            (2, None)
        );
        attempts.cover(second);
        assert_eq!(
            (attempts.uncovered(second), attempts.last_told()),
            (0, None)
        );
        attempts.told(second);
        assert_eq!(attempts.last_told(), Some(second));
    }
}
