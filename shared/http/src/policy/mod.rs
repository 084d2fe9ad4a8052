//! The policies that decide about each request before it is sent, and about each record after its
//! request failed.
//!
//! A request first gets a place [in flight](in_flight), then passes the [circuit
//! breaker](circuit_breaker), then waits for the end of a [hold](holds) and for a slot of the
//! [pace](pace). [`retries`] says what follows from its failure.

mod circuit_breaker;
mod holds;
mod in_flight;
mod pace;
mod retries;

pub use circuit_breaker::{BreakerTiming, CircuitBreaker};
pub(crate) use holds::SystemHold;
pub(crate) use in_flight::{InFlightLimit, LoadSign};
pub(crate) use pace::{NoSlot, RequestPace};
pub use retries::{AttemptCharging, FailureSummary, RetryKey, RetryPolicy};
