//! One attempt at a request: its credential, sending it, and the signs in the response of how much
//! the system takes.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use tokio::time::Instant;

use super::exchange::RequestExchange;
use crate::{
    Failure, FailureClass, RedirectPolicy, Response, StreamedResponse, TransportFailure,
    TransportFailureKind, TransportRequest, TransportResponse,
    authorisation::Credential,
    policy::LoadSign,
    response::{
        body::{self, BodyBounds, BodyStream},
        meaning::ResponseMeaning,
        rate_limit_headers::RateLimitHeaders,
    },
};

/// A failed attempt.
pub(super) struct FailedAttempt {
    pub(super) failure: Failure,
    /// The generation of the tokens that were refused, if others could help.
    pub(super) refused_tokens: Option<i64>,
}

impl From<Failure> for FailedAttempt {
    fn from(failure: Failure) -> FailedAttempt {
        FailedAttempt {
            failure,
            refused_tokens: None,
        }
    }
}

/// A success by its status or by a rule, its body still to be read.
struct OpenedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: BodyStream,
    /// The request's credential, where the response may still be seen to be a web page.
    unjudged: Option<Arc<Credential>>,
}

impl RequestExchange<'_> {
    /// Makes an attempt and reads its response. Tokens of a generation that was `refused` are not
    /// used.
    pub(super) async fn whole_attempt(
        &self,
        refused: Option<i64>,
        deadline: Option<Instant>,
    ) -> Result<Response, FailedAttempt> {
        let (credential, response) = self.send(refused, deadline).await?;
        self.read(&credential, response).await
    }

    /// Makes an attempt and reads the beginning of its response.
    pub(super) async fn streamed_attempt(
        &self,
        refused: Option<i64>,
        deadline: Option<Instant>,
        max_bytes: Option<u64>,
    ) -> Result<StreamedResponse, FailedAttempt> {
        let begun = async {
            let OpenedResponse {
                status,
                headers,
                body,
                unjudged,
            } = self.open(refused, deadline, max_bytes).await?;
            let streamed = StreamedResponse::new(status, headers, body, self.place()).await?;
            if let Some(credential) = unjudged {
                self.judge_beginning(&streamed, &credential)?;
            }
            Ok(streamed)
        };
        // All of a failure is read here, and all of a short body.
        let timeout = self.client.system.timeout;
        let begun = self.client.clock.within(timeout, begun).await;
        begun.unwrap_or_else(|| Err(self.silent(timeout).into()))
    }

    async fn open(
        &self,
        refused: Option<i64>,
        deadline: Option<Instant>,
        max_bytes: Option<u64>,
    ) -> Result<OpenedResponse, FailedAttempt> {
        let (credential, response) = self.send(refused, deadline).await?;
        let Some(ResponseMeaning {
            class: None,
            by_rule,
        }) = self.meaning_by_status(response.status)
        else {
            let Response {
                status,
                headers,
                body,
                ..
            } = self.read(&credential, response).await?;
            return Ok(OpenedResponse {
                status,
                headers,
                body: stream::iter([Ok(body)]).boxed(),
                unjudged: None,
            });
        };
        let TransportResponse {
            status,
            headers,
            body,
        } = response;
        let body = body::decoded(body, &headers, self.bounds(max_bytes)).await;
        let body = body.map_err(|error| self.unreadable(status, &error))?;
        if by_rule {
            self.client.authorisation.accept(&credential);
        }
        Ok(OpenedResponse {
            status,
            headers,
            body,
            unjudged: (!by_rule).then_some(credential),
        })
    }

    pub(super) fn bounds(&self, max_bytes: Option<u64>) -> BodyBounds {
        BodyBounds {
            max_bytes,
            read_timeout: self.client.system.read_timeout,
            clock: self.client.clock.clone(),
        }
    }

    /// Sends the request with a credential, if that can be had before the deadline.
    async fn send(
        &self,
        refused: Option<i64>,
        deadline: Option<Instant>,
    ) -> Result<(Arc<Credential>, TransportResponse), Failure> {
        let client = self.client;
        let credential = client
            .authorisation
            .credential(refused, deadline)
            .await
            .map_err(Failure::without_effect)?;
        // A hold may have begun while this request waited for tokens.
        if let Some(left) = client.hold.left() {
            return Err(self.held(left));
        }
        let request = self.with_credential(&credential, deadline);
        if !self.request.permit.holds() {
            let message = format!("{}: its turn came too late to begin it", self.place());
            return Err(Failure::not_sent(FailureClass::Throttled, message));
        }
        let (began, timeout) = (client.clock.now(), client.system.read_timeout);
        let sent = client
            .clock
            .within(timeout, client.transport.send(request))
            .await;
        if let Some(sign) = load_sign(sent.as_ref()) {
            client.in_flight.learn(began, sign);
        }
        let response = sent
            .ok_or_else(|| self.silent(timeout))?
            .map_err(|failure| {
                Failure::from_transport(&client.system.name, self.request.label, &failure)
            })?;
        self.heed_limits(response.status, &response.headers, began)
            .await;
        Ok((credential, response))
    }

    fn with_credential(
        &self,
        credential: &Credential,
        deadline: Option<Instant>,
    ) -> TransportRequest {
        let request = self.request;
        let (mut url, mut headers) = (request.url.clone(), request.headers.clone());
        if request.body.is_some() {
            headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/json"));
        }
        credential.add_to(&mut url, &mut headers);
        let now = self.client.clock.now();
        TransportRequest {
            method: request.method.clone(),
            url,
            headers,
            body: request.body.clone(),
            timeout: deadline.map(|deadline| deadline.saturating_duration_since(now)),
            redirects: match request.method.is_safe() {
                true => RedirectPolicy::FollowAll,
                false => RedirectPolicy::FollowRepeats,
            },
        }
    }

    /// Begins a hold for all that share the store, if the response asks for one. Where it refuses a
    /// request as one too many and names no time, the hold is ours to measure, and the rate is
    /// lowered where it is known.
    async fn heed_limits(&self, status: StatusCode, headers: &HeaderMap, began: Instant) {
        let client = self.client;
        let now = client.clock.timestamp().into();
        let asked = RateLimitHeaders::of(headers, now).hold(status);
        match (asked, &client.pace) {
            (Some(length), _) => client.hold.begin(length).await,
            (None, _) if status != StatusCode::TOO_MANY_REQUESTS => client.hold.taken(began),
            (None, pace) => {
                if client.hold.refused(began).await
                    && let Some(pace) = pace
                {
                    pace.slow_down(began).await;
                }
            }
        }
    }

    fn silent(&self, timeout: Duration) -> Failure {
        let seconds = timeout.as_secs_f64();
        Failure::new(
            FailureClass::Transient,
            format!("{}: no answer within {seconds} s", self.place()),
        )
    }
}

/// Returns what a response, or its lack, says about how much the system takes; nothing where the
/// request failed otherwise.
fn load_sign(sent: Option<&Result<TransportResponse, TransportFailure>>) -> Option<LoadSign> {
    const TOO_MUCH: [StatusCode; 2] = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    match sent {
        None => Some(LoadSign::TooMuch),
        Some(Ok(response)) if TOO_MUCH.contains(&response.status) => Some(LoadSign::TooMuch),
        Some(Ok(_)) => Some(LoadSign::Taken),
        Some(Err(failure)) => {
            (failure.kind == TransportFailureKind::TimedOut).then_some(LoadSign::TooMuch)
        }
    }
}
