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
