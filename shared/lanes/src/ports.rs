//! What the engine stands on, as it sees it: rows, the last-value stream, connections. In a publisher
//! these are the database and the broker; in the simulation they are a world that fails on purpose.
//! What each must keep to is said at the trait.

pub use crate::feed::ValueFeed;
pub use crate::intake::{
    Committed, MirrorPlace, MirrorRow, MirrorRows, Rejections, SourceKey, SourceRows, ValueLog,
    ValueWindow, Winner,
};
pub use crate::ownership::{OwnerRow, OwnerRows};
pub use crate::records::{
    Approval, ApprovalRow, Attempt, AttemptRow, LaneName, LaneRecords, LaneRows, Note, OutsideDoubt,
};
pub use crate::runner::Links;
