//! For each planted fault a seed that finds it, and seeds that once found a mistake.

use storelink_planted_faults::Fault;

/// A seed that fails with the fault and passes without it.
pub const KNOWN: &[(Fault, u64)] = &[
    (Fault::JobLetGoUnfinished, 0),
    (Fault::CursorBeforeAcknowledgements, 0),
    (Fault::MarkAfterRead, 0),
    (Fault::NoOverlap, 0),
    (Fault::ClockTrusted, 0),
    (Fault::NumberAfterAnswer, 0),
    (Fault::StoredBeforeStream, 0),
    (Fault::RowTakenForStored, 0),
    (Fault::OpenReadPassed, 0),
    (Fault::NoFence, 0),
    (Fault::StreamIdentityIgnored, 0),
    (Fault::StartToTheMicrosecond, 0),
    (Fault::MessageLetGoUntaken, 0),
    (Fault::LowerNumberKept, 0),
    (Fault::OutdatedRevises, 0),
    (Fault::MarkedBeforePublished, 0),
    (Fault::FailureMarkedPublished, 0),
    (Fault::EventsWithoutChain, 0),
    (Fault::EventWithoutExpectation, 0),
    (Fault::ClaimForEver, 0),
    (Fault::HubLossUnnoticed, 0),
];

/// Seeds that found mistakes that nobody had planted.
pub const REGRESSIONS: &[u64] = &[];
