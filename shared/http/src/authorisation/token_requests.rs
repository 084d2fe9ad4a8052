//! The requests for tokens: to a token endpoint or a login.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};
use pomost_project::System;
use url::Url;

use crate::{
    Clock, RedirectPolicy, Response, Transport, TransportRequest, TransportResponse,
    response::body::{self, BodyBounds},
};

/// The longest time for a request for tokens. The end of a process waits for it.
const MAX_TOKEN_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest body of a response, in bytes.
const MAX_BODY_BYTES: u64 = 1 << 20;

/// Sends the requests for the tokens of one system.
pub(super) struct TokenRequests {
    transport: Arc<dyn Transport>,
    pub(super) clock: Clock,
    timeout: Duration,
}

impl TokenRequests {
    /// Sends requests over the system's transport. They have a little less time than a request to
    /// the system, which is to learn why there are no tokens.
    pub(super) fn new(system: &System, transport: &Arc<dyn Transport>, clock: &Clock) -> Self {
        TokenRequests {
            transport: transport.clone(),
            clock: clock.clone(),
            timeout: (system.timeout * 9 / 10).min(MAX_TOKEN_TIMEOUT),
        }
    }

    /// Sends a request and reads the whole response. The error is in words.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, String> {
        let request = TransportRequest {
            method,
            url,
            headers,
            body,
            timeout: Some(self.timeout),
            // The request holds credentials, which no other place is to see.
            redirects: RedirectPolicy::Stop,
        };
        let sent = self.transport.send(request).await;
        let TransportResponse {
            status,
            headers,
            body,
        } = sent.map_err(|failure| failure.to_string())?;
        let bounds = BodyBounds {
            max_bytes: Some(MAX_BODY_BYTES),
            read_timeout: self.timeout,
            clock: self.clock.clone(),
        };
        let body = body::whole(body, &headers, bounds).await;
        Ok(Response {
            status,
            headers,
            body: body.map_err(|error| error.to_string())?,
            unread: None,
            credential: None,
        })
    }
}
