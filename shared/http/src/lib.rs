//! Requests to business systems: authorised, bounded, and their responses sorted.
//!
//! [`SystemClients`] holds one [`SystemClient`] for each system of a project. A client makes an
//! [`OutgoingRequest`] of a flow's template, and of the request a [`Response`], whole or
//! [streamed](StreamedResponse), or a [`Failure`] of a class that says what is to be done.
//! [`RetryPolicy`] says what follows for the record. [`AlertHook`] posts alerts.
//!
//! | folder | contents |
//! | --- | --- |
//! | `client` | the way of a request, from the caller to the response |
//! | `request` | requests, and how flows' templates are filled in |
//! | `policy` | the circuit breaker, holds, rate slots, requests in flight, retries |
//! | `authorisation` | credentials, and the renewal of tokens; a new kind of auth goes here |
//! | `transport` | the seam to the network, and the network |
//! | `response` | bodies, their bounds and their meaning; rate limit headers; web pages |
//! | `failure` | failures, their classes and their effects |

mod alert_hook;
mod authorisation;
mod client;
mod clock;
mod failure;
mod metrics;
mod policy;
mod request;
mod response;
mod transport;

pub use alert_hook::AlertHook;
pub use client::{ClientOptions, SystemClient, SystemClients};
pub use clock::Clock;
#[cfg(feature = "testing")]
pub use clock::ManualClock;
pub use failure::{Failure, FailureClass, RequestEffect};
pub use policy::{
    AttemptCharging, BreakerTiming, CircuitBreaker, FailureSummary, RetryKey, RetryPolicy,
};
pub use request::{OutgoingRequest, SendPermit};
pub use response::{
    Response, StreamLimits, StreamedResponse, UnreadableBody, content_type, is_without_content,
};
pub use transport::{
    Connector, LiveConnector, LiveTransport, RedirectPolicy, Transport, TransportFailure,
    TransportFailureKind, TransportRequest, TransportResponse,
};
