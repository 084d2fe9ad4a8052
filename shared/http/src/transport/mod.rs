//! The seam between policy and network. All requests of a system pass a [`Transport`]: those of its
//! flows, those for tokens and logins, and alerts. Everything above it decides about requests,
//! everything below it sends them, so something else can stand in for the network: a recording, a
//! replay, a test.

mod live;
mod platform_trust;
mod redirects;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use http::{HeaderMap, Method, StatusCode};
use pomost_project::System;
use url::Url;

pub use live::{LiveConnector, LiveTransport};

/// Sends requests.
pub trait Transport: Send + Sync {
    /// Sends a request and returns its response when its headers have come; its body may come
    /// later.
    fn send(
        &self,
        request: TransportRequest,
    ) -> BoxFuture<'_, Result<TransportResponse, TransportFailure>>;
}

/// Makes the transport of each system.
pub trait Connector: Send + Sync {
    /// Makes the transport for all requests of a system. Nothing is sent yet.
    fn connect(&self, system: &System) -> Result<Arc<dyn Transport>, TransportFailure>;
}

/// A request as it goes over the network, credentials included: so it does not print itself.
pub struct TransportRequest {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// The time for all of it, to the end of the response's body; without one it is not bounded.
    pub timeout: Option<Duration>,
    pub redirects: RedirectPolicy,
}

/// Says which redirects are followed. A redirect that is not followed is the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectPolicy {
    /// All that lead to somewhere within the system: for requests that only read.
    FollowAll,
    /// Only those within the system that repeat the request as it was (307, 308): for requests that
    /// write.
    FollowRepeats,
    /// None: for requests whose body holds credentials.
    Stop,
}

/// A response as it comes from the network, still compressed.
pub struct TransportResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: BoxStream<'static, Result<Bytes, TransportFailure>>,
}

/// A request without a response, or a response whose body broke off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransportFailure {
    pub kind: TransportFailureKind,
    /// The reason, without the URL: that may hold personal data or a key.
    pub message: String,
}

/// Tells failures of the network apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportFailureKind {
    /// No connection was made, so the request was not sent.
    Unreachable,
    /// The request's time was over before all of the response had come.
    TimedOut,
    /// The connection broke after it had been made.
    Broken,
    /// The request or the settings cannot be used; nothing was sent.
    Unusable,
}
