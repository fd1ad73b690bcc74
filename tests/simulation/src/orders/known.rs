//! For each planted fault a seed that finds it, and seeds that once found a mistake.

use storelink_planted_faults::Fault;

/// A seed that fails with the fault and passes without it.
pub const KNOWN: &[(Fault, u64)] = &[
    (Fault::JobLetGoUnfinished, 1),
    (Fault::CursorBeforeAcknowledgements, 2),
    (Fault::MarkAfterRead, 1),
    (Fault::NoOverlap, 200),
    (Fault::ClockTrusted, 10),
    (Fault::NumberAfterAnswer, 76),
    (Fault::StoredBeforeStream, 0),
    (Fault::RowTakenForStored, 0),
    (Fault::OpenReadPassed, 8),
    (Fault::StreamIdentityIgnored, 53),
    (Fault::StartToTheMicrosecond, 58),
    (Fault::MessageLetGoUntaken, 2),
    (Fault::LowerNumberKept, 9),
    (Fault::OutdatedRevises, 7),
    (Fault::MarkedBeforePublished, 0),
    (Fault::FailureMarkedPublished, 0),
    (Fault::EventsWithoutChain, 31),
    (Fault::EventWithoutExpectation, 367),
    (Fault::ClaimForEver, 27),
    (Fault::HubLossUnnoticed, 2),
];

/// Seeds that found mistakes that nobody had planted.
pub const REGRESSIONS: &[u64] = &[
    // HUB was lost between the acknowledgement of an event and the note of it by one replica, and another
    // replica had looked for losses in between: the event was in no stream any more.
    36,
];
