//! The faults and the switch.

use std::cell::Cell;

/// Declares the faults once: their names in code, and all of them as a list.
macro_rules! faults {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// A mistake that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$meta])* $name,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it is called in code.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

faults! {
    /// A process that no longer owns a lane goes on sending.
    NoLeaseCheck,
    /// A new owner does not wait until the lease of the old one is over.
    TakeWithoutWaiting,
    /// A request leaves before its attempt is committed.
    SendBeforeAttempt,
    /// A start does not look at attempts that were never answered.
    ForgetUnfinishedAttempts,
    /// A turn is taken by the pace of the installation, but not noted for the others.
    PaceNotReserved,
    /// Turns are as far apart as if all clocks were the same.
    PaceWithoutSpare,
    /// A turn is used whenever its request is ready.
    LateTurnUsed,
    /// A turn is used after a pause that the store asked for.
    TurnKeptOverPause,
    /// A lease counts from the answer to its renewal, not from the question.
    LeaseFromTheAnswer,
    /// Events are acknowledged although the mirror did not take them.
    AcknowledgeUnwritten,
    /// Of two versions the one that arrives later wins.
    LastArrivalWins,
    /// Of two equal times the one that arrives first wins.
    EqualTimesKeepFirst,
    /// Of two values of one time the one that is published later replaces the other.
    EqualTimesOverwrite,
    /// Whoever finds another value in the stream than expected writes over it.
    ContestOverwrites,
    /// A value with an earlier sequence replaces one with a later in the level table.
    OlderSequenceReplaces,
    /// The loss of the last-value stream is not told to whoever fills it again.
    LossUnnoticed,
    /// Sequences of a last-value stream that was lost go on to count.
    SequencesNotForgotten,
    /// The answer to a write of other ids makes an article clean.
    AnswerForOtherIds,
    /// An article that gets other ids stays confirmed.
    OtherIdsStayConfirmed,
    /// An answer makes an article clean that changed while the request was under way.
    ChangeUnderWayIsClean,
    /// A write without an answer is repeated with its own value.
    RetryRepeatsValue,
    /// An unknown outcome is not looked at again.
    NoRecheck,
    /// A write that is sent before the recheck is due closes it.
    RecheckClosedEarly,
    /// An answer with too few items is believed as far as it goes.
    ShortAnswerBelieved,
    /// A snapshot says that it covers the request that comes next.
    SnapshotCoversNext,
    /// A start does not read the open doubts.
    DoubtsNotRead,
    /// Doubts that others committed do not reach the lane that runs.
    DoubtsOfOthersUnheard,
    /// Changed settings do not make a lane look at its articles.
    SettingsDoNotMark,
    /// An article that the store takes again stays parked.
    StaysParked,
    /// The pause that a store asks for is not kept.
    PauseForgotten,
    /// Refused keys are tried again.
    RefusedKeysTriedAgain,
    /// The refusal of old keys stops a lane that has new ones.
    OtherKeysBlamed,
    /// A sequence of a last-value stream that was lost meanwhile is believed.
    LostStreamBelieved,

    /// A walk that makes room lets its job go instead of giving it back.
    JobLetGoUnfinished,
    /// The cursor moves although a message was not acknowledged.
    CursorBeforeAcknowledgements,
    /// The mark is the store's time after the last answer, not before the first request.
    MarkAfterRead,
    /// A walk does not reach back over the overlap.
    NoOverlap,
    /// A walk does not reach back over the error of the store's clock.
    ClockTrusted,
    /// The number of a read is drawn when its answer is there.
    NumberAfterAnswer,
    /// An order counts as stored before the stream has it.
    StoredBeforeStream,
    /// A row is enough to leave an order out, whether the stream has it or not.
    RowTakenForStored,
    /// A walk passes an order whose newer read never reached the stream.
    OpenReadPassed,
    /// Leaving an order out draws no fence against reads that began earlier.
    NoFence,
    /// A cursor goes on counting when the stream that it speaks of was made anew.
    StreamIdentityIgnored,
    /// Orders of the start's own second are left out when the store tells whole seconds.
    StartToTheMicrosecond,
    /// A message is let go although the ledger has not taken it.
    MessageLetGoUntaken,
    /// The same content, read later, leaves the lower read number in the ledger.
    LowerNumberKept,
    /// Another content that was read earlier is a revision.
    OutdatedRevises,
    /// An event counts as published before the broker has it.
    MarkedBeforePublished,
    /// An event that the broker did not take counts as published.
    FailureMarkedPublished,
    /// Events of one order have no sequence among each other.
    EventsWithoutChain,
    /// An event is published without asking that its subject be empty.
    EventWithoutExpectation,
    /// What a process claimed and did not finish is claimed for ever.
    ClaimForEver,
    /// Nobody looks whether the stream of events was made anew.
    HubLossUnnoticed,
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|fault| fault.name() == name);
        known
            .copied()
            .ok_or_else(|| format!("there is no fault {name}"))
    }
}

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Keeps a fault planted until it is dropped.
#[derive(Debug)]
#[must_use = "the fault is gone as soon as this is dropped"]
pub struct Planted(());

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}

/// Plants a fault in the current thread; one at a time.
pub fn plant(fault: Fault) -> Planted {
    PLANTED.set(Some(fault));
    Planted(())
}

/// Whether the fault is planted in the current thread.
#[must_use]
pub fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_planted_in_its_thread_until_it_is_dropped() {
        let planted = plant(Fault::NoLeaseCheck);
        assert!(crate::planted!(NoLeaseCheck));
        let elsewhere = std::thread::spawn(|| is_planted(Fault::NoLeaseCheck));
        assert!(!elsewhere.join().unwrap());
        drop(planted);
        assert!(!crate::planted!(NoLeaseCheck));
    }
}
