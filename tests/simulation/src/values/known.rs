//! For each planted fault a seed that finds it, and seeds that once found a mistake.

use storelink_planted_faults::Fault;

/// A seed that fails with the fault and passes without it.
pub(crate) const KNOWN: &[(Fault, u64)] = &[
    (Fault::NoLeaseCheck, 35),
    (Fault::TakeWithoutWaiting, 0),
    (Fault::SendBeforeAttempt, 0),
    (Fault::ForgetUnfinishedAttempts, 22),
    (Fault::PaceNotReserved, 13),
    (Fault::PaceWithoutSpare, 13),
    (Fault::LateTurnUsed, 27),
    (Fault::TurnKeptOverPause, 2878),
    (Fault::LeaseFromTheAnswer, 35),
    (Fault::AcknowledgeUnwritten, 1),
    (Fault::LastArrivalWins, 0),
    (Fault::EqualTimesKeepFirst, 1),
    (Fault::EqualTimesOverwrite, 326),
    (Fault::ContestOverwrites, 6),
    (Fault::OlderSequenceReplaces, 2),
    (Fault::LossUnnoticed, 2),
    (Fault::SequencesNotForgotten, 2),
    (Fault::AnswerForOtherIds, 80),
    (Fault::OtherIdsStayConfirmed, 2),
    (Fault::ChangeUnderWayIsClean, 0),
    (Fault::RetryRepeatsValue, 1),
    (Fault::NoRecheck, 4),
    (Fault::RecheckClosedEarly, 4),
    (Fault::ShortAnswerBelieved, 55),
    (Fault::SnapshotCoversNext, 59),
    (Fault::DoubtsNotRead, 0),
    (Fault::DoubtsOfOthersUnheard, 1),
    (Fault::SettingsDoNotMark, 2),
    (Fault::StaysParked, 9),
    (Fault::PauseForgotten, 2),
    (Fault::RefusedKeysTriedAgain, 9),
    (Fault::OtherKeysBlamed, 222),
    (Fault::LostStreamBelieved, 69),
];

/// Seeds that found mistakes that nobody had planted.
pub(crate) const REGRESSIONS: &[u64] = &[
    // A value, another one and the first again in one second: the third was in the stream already, and a
    // process that had stood still wrote the second over it.
    583,
];
