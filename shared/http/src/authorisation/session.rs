//! Logging in for a token.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::header;
use pomost_expression::{EvaluationError, Expression, Value, Variables, text};
use pomost_project::{System, auth::SessionLogin};
use secrecy::{ExposeSecret, SecretString};

use super::{denied::Denied, pass, tokens::Obtained};
use crate::{
    Failure, FailureClass, OutgoingRequest, Response, body,
    call::Filled,
    moment,
    web_page::{self, WebPage},
};

/// The longest answer to a login.
const MAX_ANSWER: u64 = 1 << 20;

/// A system's login.
pub(crate) struct Login {
    pub(crate) system: Arc<System>,
    pub(crate) settings: Arc<SessionLogin>,
    pub(crate) http: reqwest::Client,
    pub(crate) timeout: Duration,
}

impl Login {
    /// Logs in and reads the token from the answer.
    pub(crate) async fn obtain(&self) -> Result<Obtained, Denied> {
        let answer = self.answer().await?;
        let verdict = answer.verdict(&self.settings.request.method, self.system.answers.iter());
        match (verdict.class, self.obtained(&answer)) {
            (Some(class), _) => Err(self.denied(class, &answer)),
            // A token may be in a header beside a page.
            (None, Err(_)) if verdict.is_yes_by_status() && answer.is_web_page(None) => {
                Err(Denied::unreachable(self.page(&answer)))
            }
            (None, obtained) => obtained,
        }
    }

    async fn answer(&self) -> Result<Response, Denied> {
        let filled = Filled::of(
            &self.settings.request,
            &self.credentials(),
            &Variables::default(),
        );
        let filled = filled.map_err(|error| self.misread(self.label(), &error))?;
        let url = filled
            .url(&self.system)
            .map_err(|message| Denied::refused(format!("{}: {message}", self.system.name)))?;
        let mut request = self
            .http
            .request(self.settings.request.method.clone(), url)
            .timeout(self.timeout);
        if let Some(body) = filled.body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let response = request.headers(filled.headers).send().await;
        let response = response.map_err(|error| {
            Denied::unreachable(
                Failure::from_reqwest(&self.system.name, self.label(), error).message,
            )
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body =
            async { body::whole(body::of(response, Some(MAX_ANSWER), self.timeout).await?).await };
        let body = body.await.map_err(|error| {
            Denied::unreachable(format!("{}: {}: {error}", self.system.name, self.label()))
        })?;
        Ok(Response {
            status,
            headers,
            body,
            unread: None,
            pass: None,
        })
    }

    /// What the login's expressions see; made for each login and not kept.
    fn credentials(&self) -> Value {
        let value = |text: &str| Value::from(text.to_owned());
        let credential =
            |(name, secret): (&String, &SecretString)| (value(name), value(secret.expose_secret()));
        Value::obj(self.settings.credentials.iter().map(credential).collect())
    }

    fn obtained(&self, answer: &Response) -> Result<Obtained, Denied> {
        let token = self.read(&self.settings.token, "auth.session.token", answer)?;
        let token = text(&token)
            .filter(|token| !token.is_empty())
            .ok_or_else(|| {
                let found = "auth.session.token finds neither text nor a number in the answer";
                Denied::refused(format!(
                    "{}: {} is answered, but {found}",
                    self.system.name,
                    self.label()
                ))
            })?;
        let expires = self
            .settings
            .expires
            .as_ref()
            .map(|expires| self.read(expires, "auth.session.expires", answer));
        let lifetime = expires.transpose()?.and_then(|expires| lifetime(&expires));
        Ok(Obtained {
            token: token.into(),
            refresh_token: None,
            lifetime,
        })
    }

    fn read(
        &self,
        expression: &Expression,
        place: &str,
        answer: &Response,
    ) -> Result<Value, Denied> {
        expression
            .one(answer.parts(), &Variables::default())
            .map_err(|error| self.misread(place, &error))
    }

    /// What fails for reasons of its own is waited for; whatever else is answered, the login is
    /// refused.
    fn denied(&self, class: FailureClass, answer: &Response) -> Denied {
        let hide = |text: &str| pass::hide(self.settings.credentials.values(), text);
        let failure = Failure::from_answer(&self.system.name, self.label(), class, answer, hide);
        // One that says yes may hold a token, and a page is no words.
        let is_quoted =
            !answer.status.is_success() && !matches!(failure.answer.as_bytes(), [] | [b'<', ..]);
        let words = if is_quoted {
            format!(": {}", failure.answer)
        } else {
            String::new()
        };
        let denied = match class {
            FailureClass::Throttled => Denied::throttled,
            FailureClass::Transient | FailureClass::Unreachable => Denied::unreachable,
            _ => Denied::refused,
        };
        denied(format!("{}{words}", failure.message)).after(failure.retry_after)
    }

    fn page(&self, answer: &Response) -> String {
        let page = WebPage {
            status: answer.status,
            headers: &answer.headers,
            beginning: &answer.body,
        };
        let place = format!("{}: {}", self.system.name, self.label());
        let call = OutgoingRequest::bare(
            self.settings.request.method.clone(),
            self.system.base_url.clone(),
            self.label(),
        );
        let hide = |text: &str| pass::hide(self.settings.credentials.values(), text);
        web_page::failure(&page, &place, &call, hide).message
    }

    fn misread(&self, place: &str, error: &EvaluationError) -> Denied {
        Denied::refused(format!("{}: {place}: {}", self.system.name, error.message))
    }

    fn label(&self) -> &str {
        &self.settings.request.label
    }
}

/// How long it is until a moment: a number, or a time as text (RFC 3339).
fn lifetime(expires: &Value) -> Option<Duration> {
    let (text, now) = (text(expires)?, SystemTime::now());
    let as_number = || moment::until(text.trim().parse().ok()?, now);
    let as_time = || {
        SystemTime::from(text.trim().parse::<jiff::Timestamp>().ok()?)
            .duration_since(now)
            .ok()
    };
    as_number().or_else(as_time)
}
