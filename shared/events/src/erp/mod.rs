//! What an ERP publishes, and how it is read: an event whose frame is wrong is refused whole; an item
//! that is wrong is refused alone, with a pointer, and the items beside it are taken.

mod codes;
mod data;
mod object;
mod reading;

pub use codes::{CODES, RefusalCode};
pub use data::{
    PriceChanged, PriceItem, ProductChanged, ProductItem, SaleItem, StockChanged, StockItem,
};
pub use reading::{ErpEvent, ErpReading, MAX_EVENT_BYTES, MAX_ITEMS, Refused, read};
