//! For each planted fault a seed that finds it, and seeds that once found a mistake.

use storelink_planted_faults::Fault;

/// A seed that fails with the fault and passes without it.
pub(crate) const KNOWN: &[(Fault, u64)] = &[
    (Fault::JobLetGoUnfinished, 0),
    (Fault::CursorBeforeAcknowledgements, 0),
    (Fault::MarkAfterRead, 2),
    (Fault::NoOverlap, 204),
    (Fault::ClockTrusted, 8),
    (Fault::NumberAfterAnswer, 21),
    (Fault::StoredBeforeStream, 0),
    (Fault::RowTakenForStored, 0),
    (Fault::OpenReadPassed, 66),
    (Fault::NoFence, 65),
    (Fault::StreamIdentityIgnored, 1),
    (Fault::StartToTheMicrosecond, 41),
    (Fault::MessageLetGoUntaken, 8),
    (Fault::LowerNumberKept, 119),
    (Fault::OutdatedRevises, 10),
    (Fault::MarkedBeforePublished, 2),
    (Fault::FailureMarkedPublished, 10),
    (Fault::EventsWithoutChain, 35),
    (Fault::EventWithoutExpectation, 248),
    (Fault::ClaimForEver, 4),
    (Fault::HubLossUnnoticed, 0),
];

/// Seeds that found mistakes that nobody had planted.
pub(crate) const REGRESSIONS: &[u64] = &[
    // HUB was lost between the acknowledgement of an event and the note of it by one replica, and another
    // replica had looked for losses in between: the event was in no stream any more.
    36,
];
