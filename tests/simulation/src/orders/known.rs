//! For each planted fault a seed that finds it, and seeds that once found a mistake.

use storelink_planted_faults::Fault;

/// A seed that fails with the fault and passes without it.
pub const KNOWN: &[(Fault, u64)] = &[
    (Fault::JobLetGoUnfinished, 1),
    (Fault::CursorBeforeAcknowledgements, 8),
    (Fault::MarkAfterRead, 2),
    (Fault::NoOverlap, 27),
    (Fault::ClockTrusted, 10),
    (Fault::NumberAfterAnswer, 65),
    (Fault::StoredBeforeStream, 1),
    (Fault::RowTakenForStored, 1),
    (Fault::OpenReadPassed, 206),
    (Fault::NoFence, 354),
    (Fault::StreamIdentityIgnored, 12),
    (Fault::StartToTheMicrosecond, 58),
    (Fault::MessageLetGoUntaken, 13),
    (Fault::LowerNumberKept, 34),
    (Fault::OutdatedRevises, 1),
    (Fault::MarkedBeforePublished, 5),
    (Fault::FailureMarkedPublished, 1),
    (Fault::EventsWithoutChain, 57),
    (Fault::EventWithoutExpectation, 98),
    (Fault::ClaimForEver, 1),
    (Fault::HubLossUnnoticed, 2),
];

/// Seeds that found mistakes that nobody had planted.
pub const REGRESSIONS: &[u64] = &[
    // HUB was lost between the acknowledgement of an event and the note of it by one replica, and another
    // replica had looked for losses in between: the event was in no stream any more.
    36,
];
