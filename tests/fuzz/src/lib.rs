#![doc = include_str!("../README.md")]

mod change;
mod process;
mod target;

pub use target::Target;
