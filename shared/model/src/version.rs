use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// By what the values of one warehouse or price list are ordered. Fixed at first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionOrder {
    /// By the ERP's own revision number.
    Revision,
    /// By the time of the event.
    Time,
}

/// The place of a value among the values of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// The ERP's revision number.
    Revision(u64),
    /// Microseconds since 1970, UTC: the finest time that both databases keep.
    Time(i64),
}

/// Two versions of different kinds have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {found} cannot be ordered among values that are ordered by {fixed}")]
pub struct VersionMismatch {
    /// What the version in hand is.
    pub found: &'static str,
    /// What the key is ordered by.
    pub fixed: &'static str,
}

impl Version {
    /// The version of a value that is ordered by time.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self::Time(time.micros())
    }

    /// Which order this version belongs to.
    #[must_use]
    pub fn order(self) -> VersionOrder {
        match self {
            Self::Revision(_) => VersionOrder::Revision,
            Self::Time(_) => VersionOrder::Time,
        }
    }

    /// The number inside, for a database column; revisions beyond `i64::MAX` do not occur because
    /// [`Version::revision`] refuses them.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Revision(revision) => i64::try_from(revision).unwrap_or(i64::MAX),
            Self::Time(micros) => micros,
        }
    }

    /// The version with this number in this order: the inverse of [`Version::number`].
    #[must_use]
    pub fn from_number(order: VersionOrder, number: i64) -> Self {
        match order {
            VersionOrder::Revision => Self::Revision(u64::try_from(number).unwrap_or_default()),
            VersionOrder::Time => Self::Time(number),
        }
    }

    /// A revision, unless it is beyond what a database column holds.
    #[must_use]
    pub fn revision(revision: u64) -> Option<Self> {
        i64::try_from(revision)
            .ok()
            .map(|_| Self::Revision(revision))
    }

    /// How this version stands to another of the same key.
    ///
    /// # Errors
    /// When one is a revision and the other a time.
    pub fn compare(self, other: Self) -> Result<Ordering, VersionMismatch> {
        match (self, other) {
            (Self::Revision(a), Self::Revision(b)) => Ok(a.cmp(&b)),
            (Self::Time(a), Self::Time(b)) => Ok(a.cmp(&b)),
            _ => Err(VersionMismatch {
                found: self.name(),
                fixed: other.name(),
            }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Revision(_) => "revision",
            Self::Time(_) => "time",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_and_times_do_not_mix() {
        assert_eq!(
            Version::Revision(2).compare(Version::Revision(1)),
            Ok(Ordering::Greater)
        );
        assert!(Version::Revision(2).compare(Version::Time(1)).is_err());
    }

    #[test]
    fn columns_bring_versions_back() {
        let version = Version::at(Timestamp::from_micros(7));
        assert_eq!(
            Version::from_number(version.order(), version.number()),
            version
        );
        assert_eq!(Version::revision(u64::MAX), None);
    }
}
