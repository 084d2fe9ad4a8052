//! The rules of the store that do not depend on the database, as pure functions.
//!
//! SQLite uses them. PostgreSQL decides the same in SQL, in one round trip, and is tested against
//! them on random input. Others of this kind are in the models: the order of versions, and how
//! outcomes merge.

mod claim_result;
mod run_state;
pub mod slot_pacing;

pub use claim_result::{
    ClaimAttempt, ClaimTimes, LedgerRow, claim_result, is_dead_letter_relevant,
};
pub(crate) use run_state::run_state;

use std::time::Duration;

/// The length in microseconds, or the greatest number where it is longer.
pub(crate) fn micros(length: Duration) -> i64 {
    length.as_micros().try_into().unwrap_or(i64::MAX)
}
