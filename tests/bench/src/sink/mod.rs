//! Store fronts that cost next to nothing: a batch of stock is read, recorded with its time and confirmed;
//! the product list is made on the spot; all else is answered by a simulated store behind.

mod batch;
mod book;
mod catalogue;
mod front;

pub(crate) use batch::body;
pub(crate) use book::{Tally, Write};
pub(crate) use catalogue::{article_of, sku};
pub(crate) use front::{Sink, json};
