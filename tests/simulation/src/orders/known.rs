//! For each planted fault a seed that finds it, and seeds that once found a mistake.

use storelink_planted_faults::Fault;

/// A seed that fails with the fault and passes without it.
pub(crate) const KNOWN: &[(Fault, u64)] = &[
    (Fault::JobLetGoUnfinished, 1),
    (Fault::CursorBeforeAcknowledgements, 2),
    (Fault::MarkAfterRead, 9),
    (Fault::NoOverlap, 33),
    (Fault::ClockTrusted, 1),
    (Fault::NumberAfterAnswer, 6),
    (Fault::StoredBeforeStream, 1),
    (Fault::RowTakenForStored, 1),
    (Fault::OpenReadPassed, 79),
    (Fault::NoFence, 118),
    (Fault::StreamIdentityIgnored, 21),
    (Fault::StartToTheMicrosecond, 58),
    (Fault::MessageLetGoUntaken, 5),
    (Fault::LowerNumberKept, 34),
    (Fault::OutdatedRevises, 5),
    (Fault::MarkedBeforePublished, 0),
    (Fault::FailureMarkedPublished, 5),
    (Fault::EventsWithoutChain, 19),
    (Fault::EventWithoutExpectation, 202),
    (Fault::ClaimForEver, 9),
    (Fault::HubLossUnnoticed, 1),
];

/// Seeds that found mistakes that nobody had planted.
pub(crate) const REGRESSIONS: &[u64] = &[
    // HUB was lost between the acknowledgement of an event and the note of it by one replica, and another
    // replica had looked for losses in between: the event was in no stream any more.
    36,
];
