//! Requests to business systems: authorised, bounded, and their answers sorted.
//!
//! [`Clients`] holds one [`Client`] for each system of a project. A [`Client`] makes a [`Call`] of a
//! flow's request, and of the call an [`Answer`], whole or [`Streamed`], or a [`Failure`] that says what
//! kind it is. A [`Hook`] takes what people are to know.

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

pub use answer::{Answer, Unreadable, content_type, is_without_content};
pub use call::{Call, Permit};
pub use client::{Client, Clients};
pub use failure::{Class, Effect, Failure};
pub use hook::Hook;
pub use streamed::{StreamLimits, Streamed};
pub use tries::{Again, Spared, Tries, Troubles};
