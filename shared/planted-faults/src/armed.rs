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
    /// The owner of a lane is not asked for its epoch before it sends.
    EpochNotChecked,
    /// A lease counts from the answer to its renewal, not from the question.
    LeaseFromTheAnswer,
    /// A lane begins while its last task still waits for an answer.
    TwoTasksForOneLane,
    /// Events are acknowledged although the mirror did not take them.
    AcknowledgeUnwritten,
    /// Of two versions the one that arrives later wins.
    LastArrivalWins,
    /// Of two equal times the one that arrives first wins.
    EqualTimesKeepFirst,
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
    /// The doubt of an order is closed by a write that was taken before the order.
    OrderSettledByEarlierWrite,
    /// Changed settings do not make a lane look at its articles.
    SettingsDoNotMark,
    /// An article that the store takes again stays parked.
    StaysParked,
    /// The pause that a store asks for is not kept.
    PauseForgotten,
    /// Refused keys are tried again.
    RefusedKeysTriedAgain,
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
