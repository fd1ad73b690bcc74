#![doc = include_str!("../README.md")]

#[cfg(feature = "armed")]
mod armed;

#[cfg(feature = "armed")]
pub use armed::{Fault, Planted, is_planted, plant};

/// Whether this fault is planted here and now: `false` in every build but the simulation's.
#[cfg(not(feature = "armed"))]
#[macro_export]
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}

/// Whether this fault is planted in the current thread.
#[cfg(feature = "armed")]
#[macro_export]
macro_rules! planted {
    ($fault:ident) => {
        $crate::is_planted($crate::Fault::$fault)
    };
}
