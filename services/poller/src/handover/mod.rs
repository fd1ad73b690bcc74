//! Which orders of a page are handed on.
//!
//! Every walk reaches back over what the walks before it read. Most of that is unchanged, and handing
//! it on again would cost the broker and the ledger many times the work of the news. The ledger stays
//! the authority; leaving an order out here is safe because of five rules, each of which
//! [`decide`] or its caller keeps:
//!
//! 1. Only content that the stream acknowledged is left out, and only if the same content was the last
//!    that was handed on.
//! 2. Leaving out draws a fence: the read number of the row rises, and a read that began earlier is not
//!    handed on after it. Otherwise the ledger would take an overtaken read for the newest.
//! 3. A row changes only if it is still the one that was decided from.
//! 4. No walk ends after a page with an order whose newer read has not reached the stream: whoever
//!    made that read may be gone.
//! 5. The rows of a connection are forgotten when the stream is another one than before, since what
//!    it acknowledged may never have reached the ledger. For the same reason a row counts only as far
//!    as the stream reached when the walk began, or by an acknowledgement of the walk itself: a process
//!    may have died between its row and its cursor.
//!
//! A fenced-off read is then no loss: either its content is outdated, or the store changed after the newer
//! read began, which is after the mark of every walk that can be at work, so the next walk shows it.

mod decision;
mod store;

pub(crate) use decision::{Handover, decide};
pub use decision::{Kept, Seen};
#[cfg(any(test, feature = "simulation"))]
pub use store::Note;
pub(crate) use store::decide_page;
pub use store::{Acknowledged, HandoverStore};
