//! Asking an authorisation server for tokens (RFC 6749).
//!
//! The crate `oauth2` knows neither assertions nor grants of one's own (RFC 7521, RFC 7523), and
//! keeps responses that it cannot read, tokens and all, in its errors.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pomost_project::auth::{OAuthGrant, OAuthSettings};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{
    assertion::AssertionSigner, credential::hide, token_denial::TokenDenial,
    token_form::ShownSecrets, token_requests::TokenRequests, token_set::ObtainedToken,
};
use crate::{
    OutgoingRequest, Response,
    response::{
        rate_limit_headers::RateLimitHeaders,
        web_page::{self, WebPage},
    },
};

/// The longest description of an error that is shown, in characters.
const MAX_QUOTED_CHARS: usize = 200;

/// An authorisation server, as one system uses it.
pub(super) struct TokenEndpoint {
    pub(super) system: String,
    pub(super) settings: Arc<OAuthSettings>,
    pub(super) requests: TokenRequests,
    /// The signer of assertions, where there are any.
    pub(super) signer: Option<AssertionSigner>,
}

/// A response, good or bad (RFC 6749 §5).
#[derive(Deserialize)]
struct TokenResponse {
    access_token: Option<SecretString>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<SecretString>,
    error: Option<Value>,
    error_description: Option<Value>,
}

impl TokenEndpoint {
    /// Asks for tokens; with the refresh token, where the last response brought one.
    pub(super) async fn obtain(
        &self,
        refresh_token: Option<&SecretString>,
    ) -> Result<ObtainedToken, TokenDenial> {
        let shown = self.shown(refresh_token)?;
        let response = self.send(&shown).await?;
        let Response {
            status,
            headers,
            body,
            ..
        } = &response;
        if status.is_success() && response.is_web_page(None) {
            return Err(TokenDenial::unreachable(self.page(&response, &shown)));
        }
        let (status, now) = (*status, self.requests.clock.timestamp());
        let limits = RateLimitHeaders::of(headers, now.into());
        match serde_json::from_slice(body) {
            Ok(response @ TokenResponse { error: None, .. }) if status.is_success() => {
                self.obtained(response, &shown)
            }
            Ok(response) => Err(self
                .denied(status, response, &shown)
                .after(limits.delay(status))),
            Err(_) => Err(self
                .not_understood(status, body)
                .after(limits.delay(status))),
        }
    }

    async fn send(&self, shown: &ShownSecrets) -> Result<Response, TokenDenial> {
        let mut headers = HeaderMap::from_iter([
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            ),
        ]);
        // Base64 is always a header's value.
        if let Some(basic) = &shown.basic
            && let Ok(mut basic) = HeaderValue::from_str(basic.expose_secret())
        {
            basic.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, basic);
        }
        let url = self.settings.token_url.clone();
        let sent = self
            .requests
            .send(Method::POST, url, headers, Some(self.form(shown).into()));
        sent.await
            .map_err(|error| TokenDenial::unreachable(format!("{}: {error}", self.name())))
    }

    fn obtained(
        &self,
        response: TokenResponse,
        shown: &ShownSecrets,
    ) -> Result<ObtainedToken, TokenDenial> {
        let refused = |what: &str| {
            Err(TokenDenial::refused(format!(
                "{} answers {what}",
                self.name()
            )))
        };
        if let Some(kind) = response
            .token_type
            .filter(|kind| !kind.eq_ignore_ascii_case("bearer"))
        {
            let kind = quoted(&kind, shown);
            return refused(&format!(
                "with a token of the type '{kind}', expected Bearer"
            ));
        }
        let Some(token) = response
            .access_token
            .filter(|token| !token.expose_secret().is_empty())
        else {
            return refused("without an access_token");
        };
        let refresh_token = response
            .refresh_token
            .filter(|token| !token.expose_secret().is_empty());
        Ok(ObtainedToken {
            token,
            refresh_token,
            lifetime: response.expires_in.and_then(seconds),
        })
    }

    fn denied(
        &self,
        status: StatusCode,
        response: TokenResponse,
        shown: &ShownSecrets,
    ) -> TokenDenial {
        let TokenResponse {
            error,
            error_description,
            ..
        } = response;
        let words = [&error, &error_description]
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let words = quoted(&words.collect::<Vec<_>>().join(" "), shown);
        let words = if words.is_empty() {
            words
        } else {
            format!(": {words}")
        };
        let message = format!("{} answers {status}{words}", self.name());
        let code = error.as_ref().and_then(Value::as_str).unwrap_or_default();
        match (code, &self.settings.grant) {
            ("temporarily_unavailable" | "slow_down", _) => TokenDenial::throttled(message),
            ("invalid_grant", OAuthGrant::RefreshToken { .. })
                if ![429, 503].contains(&status.as_u16()) =>
            {
                TokenDenial::finally(self.needs_authorisation(&message))
            }
            _ => by_status(status, message),
        }
    }

    /// Sorts a response that is not JSON: it is not of a token endpoint, but of a server before it
    /// or in its place. It is not quoted: it may hold tokens in a form that is not known here.
    fn not_understood(&self, status: StatusCode, body: &[u8]) -> TokenDenial {
        let what = match body.trim_ascii_start() {
            [] => "nothing",
            [b'<', ..] => "a web page or XML",
            _ => "something else",
        };
        let message = format!(
            "{} answers {status} with {what}, expected JSON",
            self.name()
        );
        if status.is_success() {
            TokenDenial::unreachable(message)
        } else {
            by_status(status, message)
        }
    }

    /// Says what a person has to do when the refresh token is worth nothing any more.
    pub(super) fn needs_authorisation(&self, why: &str) -> String {
        let place = match &self.settings.grant {
            OAuthGrant::RefreshToken { reference, .. } => reference,
            _ => "auth.oauth2",
        };
        format!(
            "{}: needs new authorisation, since the refresh token is not good any more ({why}); authorise Pomost \
             again there, and put the new refresh token into {place}",
            self.system
        )
    }

    fn page(&self, response: &Response, shown: &ShownSecrets) -> String {
        let page = WebPage {
            status: response.status,
            headers: &response.headers,
            beginning: &response.body,
        };
        let request = OutgoingRequest::bare(Method::POST, self.settings.token_url.clone(), "");
        let now = self.requests.clock.timestamp().into();
        let hide = |text: &str| hide(shown.secrets(), text);
        web_page::failure(&page, &self.name(), &request, now, hide).message
    }

    fn name(&self) -> String {
        format!("{}: {}", self.system, self.label())
    }

    fn label(&self) -> String {
        format!(
            "the token endpoint at {}",
            self.settings.token_url.host_str().unwrap_or_default()
        )
    }
}

/// Sorts a response that is no success by its status.
fn by_status(status: StatusCode, message: String) -> TokenDenial {
    match status.as_u16() {
        429 | 503 => TokenDenial::throttled(message),
        408 | 425 | 500.. => TokenDenial::unreachable(message),
        _ => TokenDenial::refused(message),
    }
}

/// Returns a text of the server in one line, without secrets.
fn quoted(text: &str, shown: &ShownSecrets) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let hidden = hide(shown.secrets(), &line);
    hidden
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_QUOTED_CHARS)
        .collect()
}

/// Reads a number of seconds; some servers write it as text.
fn seconds(value: Value) -> Option<Duration> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    number.map(Duration::from_secs)
}
