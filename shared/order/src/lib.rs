#![doc = include_str!("../README.md")]

mod content;
mod order;
mod party;
mod rounding;
mod sum;
#[cfg(test)]
mod testing;

pub use content::ContentHash;
pub use order::{
    Charge, Discount, GiftCard, Line, LineOption, Order, OrderState, Payment, Refund, RefundedLine,
};
pub use party::{Address, Customer};
pub use sum::{SumCheck, SumVerdict, TaxCheck};
