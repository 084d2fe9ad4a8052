//! Logging in for a token.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, header};
use jiff::Timestamp;
use pomost_expression::{EvaluationError, Expression, Value, Variables, text};
use pomost_project::{System, auth::SessionLogin};
use secrecy::{ExposeSecret, SecretString};

use super::{
    credential::hide, token_denial::TokenDenial, token_requests::TokenRequests,
    token_set::ObtainedToken,
};
use crate::{
    Failure, FailureClass, OutgoingRequest, Response,
    request::FilledRequest,
    response::{
        number_as_time::time_until,
        rate_limit_headers::RateLimitHeaders,
        web_page::{self, WebPage},
    },
};

/// The login of a system.
pub(super) struct LoginEndpoint {
    pub(super) system: Arc<System>,
    pub(super) settings: Arc<SessionLogin>,
    pub(super) requests: TokenRequests,
}

impl LoginEndpoint {
    /// Logs in and reads the token from the response.
    pub(super) async fn obtain(&self) -> Result<ObtainedToken, TokenDenial> {
        let response = self.response().await?;
        let meaning = response.meaning(&self.settings.request.method, self.system.answers.iter());
        match (meaning.class, self.obtained(&response)) {
            (Some(class), _) => Err(self.denied(class, &response)),
            // A token may be in a header beside a page.
            (None, Err(_)) if meaning.is_success_by_status() && response.is_web_page(None) => {
                Err(TokenDenial::unreachable(self.page(&response)))
            }
            (None, obtained) => obtained,
        }
    }

    async fn response(&self) -> Result<Response, TokenDenial> {
        let filled = FilledRequest::of(
            &self.settings.request,
            &self.credentials(),
            &Variables::default(),
        );
        let filled = filled.map_err(|error| self.misread(self.label(), &error))?;
        let url = filled
            .url(&self.system)
            .map_err(|message| TokenDenial::refused(format!("{}: {message}", self.system.name)))?;
        let (mut headers, method) = (filled.headers, self.settings.request.method.clone());
        if filled.body.is_some() {
            headers
                .entry(header::CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/json"));
        }
        let response = self.requests.send(method, url, headers, filled.body);
        response.await.map_err(|error| {
            TokenDenial::unreachable(format!("{}: {}: {error}", self.system.name, self.label()))
        })
    }

    /// Makes the input of the login's expressions. It is made for each login and not kept.
    fn credentials(&self) -> Value {
        let value = |text: &str| Value::from(text.to_owned());
        let credential =
            |(name, secret): (&String, &SecretString)| (value(name), value(secret.expose_secret()));
        Value::obj(self.settings.credentials.iter().map(credential).collect())
    }

    fn obtained(&self, response: &Response) -> Result<ObtainedToken, TokenDenial> {
        let token = self.read(&self.settings.token, "auth.session.token", response)?;
        let token = text(&token)
            .filter(|token| !token.is_empty())
            .ok_or_else(|| {
                let found = "auth.session.token finds neither text nor a number in the answer";
                TokenDenial::refused(format!(
                    "{}: {} is answered, but {found}",
                    self.system.name,
                    self.label()
                ))
            })?;
        let expires = self
            .settings
            .expires
            .as_ref()
            .map(|expires| self.read(expires, "auth.session.expires", response));
        let now = self.requests.clock.timestamp();
        let lifetime = expires
            .transpose()?
            .and_then(|expires| lifetime(&expires, now));
        Ok(ObtainedToken {
            token: token.into(),
            refresh_token: None,
            lifetime,
        })
    }

    fn read(
        &self,
        expression: &Expression,
        place: &str,
        response: &Response,
    ) -> Result<Value, TokenDenial> {
        expression
            .one(response.parts(), &Variables::default())
            .map_err(|error| self.misread(place, &error))
    }

    /// Sorts a failed login: what may pass is waited for, and after any other response the login
    /// counts as refused.
    fn denied(&self, class: FailureClass, response: &Response) -> TokenDenial {
        let limits =
            RateLimitHeaders::of(&response.headers, self.requests.clock.timestamp().into());
        let (system, label) = (&self.system.name, self.label());
        let failure = Failure::from_response(system, label, class, response, &limits, |text| {
            self.hide(text)
        });
        // A success may hold a token, and a page says nothing in words.
        let is_quoted =
            !response.status.is_success() && !matches!(failure.answer.as_bytes(), [] | [b'<', ..]);
        let words = if is_quoted {
            format!(": {}", failure.answer)
        } else {
            String::new()
        };
        let denied = match class {
            FailureClass::Throttled => TokenDenial::throttled,
            FailureClass::Transient | FailureClass::Unreachable => TokenDenial::unreachable,
            _ => TokenDenial::refused,
        };
        denied(format!("{}{words}", failure.message)).after(failure.retry_after)
    }

    fn page(&self, response: &Response) -> String {
        let page = WebPage {
            status: response.status,
            headers: &response.headers,
            beginning: &response.body,
        };
        let place = format!("{}: {}", self.system.name, self.label());
        let request = OutgoingRequest::bare(
            self.settings.request.method.clone(),
            self.system.base_url.clone(),
            self.label(),
        );
        let now = self.requests.clock.timestamp().into();
        web_page::failure(&page, &place, &request, now, |text| self.hide(text)).message
    }

    fn hide(&self, text: &str) -> String {
        hide(self.settings.credentials.values(), text)
    }

    fn misread(&self, place: &str, error: &EvaluationError) -> TokenDenial {
        TokenDenial::refused(format!("{}: {place}: {}", self.system.name, error.message))
    }

    fn label(&self) -> &str {
        &self.settings.request.label
    }
}

/// Returns the time until a moment: a number, or a time as text (RFC 3339).
fn lifetime(expires: &Value, now: Timestamp) -> Option<Duration> {
    let text = text(expires)?;
    let as_number = || time_until(text.trim().parse().ok()?, now.into());
    let as_time = || {
        let end: Timestamp = text.trim().parse().ok()?;
        Duration::try_from(end.duration_since(now)).ok()
    };
    as_number().or_else(as_time)
}
