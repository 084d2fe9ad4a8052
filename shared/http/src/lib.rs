//! Requests to business systems: authorised, bounded, and their answers sorted.
//!
//! [`SystemClients`] holds one [`SystemClient`] for each system of a project. A [`SystemClient`] makes a [`OutgoingRequest`] of a
//! flow's request, and of the call an [`Response`], whole or [`StreamedResponse`], or a [`Failure`] that says what
//! kind it is. A [`AlertHook`] takes what people are to know.

mod answer;
mod authorisation;
mod body;
mod breaker;
mod call;
mod client;
mod echo;
mod failure;
mod guard;
mod hook;
mod in_flight;
mod limits;
mod metrics;
mod moment;
mod pause;
mod probe;
mod rate;
mod redirect;
mod streamed;
mod transport;
mod tries;
mod trust;
mod web_page;

pub use answer::{Response, UnreadableBody, content_type, is_without_content};
pub use call::{OutgoingRequest, SendPermit};
pub use client::{SystemClient, SystemClients};
pub use failure::{Failure, FailureClass, RequestEffect};
pub use guard::Guard as CircuitBreaker;
pub use hook::AlertHook;
pub use streamed::{StreamLimits, StreamedResponse};
pub use tries::{AttemptCharging, FailureSummary, RetryKey, RetryPolicy};
