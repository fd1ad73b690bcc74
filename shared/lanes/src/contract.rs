//! What databases and simulated tables must keep alike: each check is run against SQLite, PostgreSQL
//! and the tables of the simulation.

mod owners;
mod records;
mod values;

pub use owners::{lanes_are_taken_by_compare_and_set, processes_count_until_they_are_buried};
pub use records::{
    a_doubt_that_moved_stays_open, a_forgotten_connection_keeps_its_epoch,
    attempts_count_in_their_epoch, doubts_of_others_are_numbered,
    notes_of_an_epoch_that_is_over_change_nothing,
};
pub use values::{
    later_versions_replace_and_others_do_not, pages_follow_each_other,
    the_first_order_of_a_source_stays,
};

/// A connection of its own for each check.
fn connection(number: u32) -> storelink_model::ConnectionId {
    let id = format!("con_{number:032}").parse();
    id.unwrap_or_else(|_| storelink_model::ConnectionId::generate())
}

#[cfg(test)]
mod tests;
