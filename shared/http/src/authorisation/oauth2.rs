//! Asking an authorisation server for tokens (RFC 6749).
//!
//! The crate `oauth2` knows neither assertions nor grants of one's own (RFC 7521, RFC 7523), and keeps
//! answers that it cannot read, tokens and all, in its errors.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Method, StatusCode, header};
use pomost_project::auth::{ClientAuthentication, OAuthGrant, OAuthSettings};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::{denied::Denied, jwt::Signer, pass, tokens::Obtained};
use crate::{
    Failure, OutgoingRequest, body,
    limits::Limits,
    web_page::{self, WebPage, is_web_page},
};

/// The longest answer of a token endpoint.
const MAX_ANSWER: u64 = 1 << 20;

/// How much of a server's description of an error is shown, in characters.
const QUOTED: usize = 200;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An authorisation server, as one system uses it.
pub(crate) struct TokenEndpoint {
    pub(crate) system: String,
    pub(crate) settings: Arc<OAuthSettings>,
    pub(crate) http: reqwest::Client,
    pub(crate) timeout: Duration,
    /// What signs assertions, where there are any.
    pub(crate) signer: Option<Signer>,
}

/// An answer, good or bad (RFC 6749 §5).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<SecretString>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<SecretString>,
    error: Option<Value>,
    error_description: Option<Value>,
}

/// What a request shows beside its grant, and what of it is secret.
#[derive(Default)]
struct Shown {
    parameters: Vec<(&'static str, SecretString)>,
    basic: Option<SecretString>,
}

impl TokenEndpoint {
    /// Asks for tokens; with the refresh token, where the last answer brought one.
    pub(crate) async fn obtain(
        &self,
        refresh_token: Option<&SecretString>,
    ) -> Result<Obtained, Denied> {
        let shown = self.shown(refresh_token)?;
        let mut request = self
            .http
            .post(self.settings.token_url.clone())
            .timeout(self.timeout)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form(&shown));
        if let Some(basic) = &shown.basic {
            request = request.header(header::AUTHORIZATION, basic.expose_secret());
        }
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let (status, limits) = (response.status(), Limits::of(response.headers()));
        let headers = response.headers().clone();
        let body =
            async { body::whole(body::of(response, Some(MAX_ANSWER), self.timeout).await?).await };
        let body = body
            .await
            .map_err(|error| Denied::unreachable(format!("{}: {error}", self.name())))?;
        if status.is_success() && is_web_page(&headers, &body, None) {
            let page = WebPage {
                status,
                headers: &headers,
                beginning: &body,
            };
            return Err(Denied::unreachable(self.page(&page, &shown)));
        }
        match serde_json::from_slice(&body) {
            Ok(answer @ TokenAnswer { error: None, .. }) if status.is_success() => {
                self.obtained(answer, &shown)
            }
            Ok(answer) => Err(self
                .denied(status, answer, &shown)
                .after(limits.delay(status))),
            Err(_) => Err(self
                .not_understood(status, &body)
                .after(limits.delay(status))),
        }
    }

    fn shown(&self, refresh_token: Option<&SecretString>) -> Result<Shown, Denied> {
        let settings = &*self.settings;
        let mut shown = Shown::default();
        match &settings.grant {
            OAuthGrant::ClientCredentials => {}
            OAuthGrant::RefreshToken { first, .. } => {
                shown
                    .parameters
                    .push(("refresh_token", refresh_token.unwrap_or(first).clone()));
            }
            OAuthGrant::JwtBearer { claims, .. } => {
                shown.parameters.push(("assertion", self.signed(claims)?))
            }
        }
        match &settings.client {
            ClientAuthentication::None => {}
            ClientAuthentication::Basic(secret) => {
                shown.basic = Some(basic(&settings.client_id, secret))
            }
            ClientAuthentication::Body(secret) => {
                shown.parameters.push(("client_secret", secret.clone()))
            }
            ClientAuthentication::PrivateKeyJwt(_) => {
                let (client, audience) = (&settings.client_id, settings.token_url.to_string());
                let claims = [("iss", client), ("sub", client), ("aud", &audience)];
                let claims = claims.map(|(name, value)| (name.to_owned(), value.clone()));
                shown
                    .parameters
                    .push(("client_assertion", self.signed(&BTreeMap::from(claims))?));
            }
        }
        Ok(shown)
    }

    fn form(&self, shown: &Shown) -> String {
        let settings = &*self.settings;
        let grant_type = match settings.grant {
            OAuthGrant::ClientCredentials => "client_credentials",
            OAuthGrant::RefreshToken { .. } => "refresh_token",
            OAuthGrant::JwtBearer { .. } => JWT_BEARER,
        };
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", grant_type);
        match settings.client {
            ClientAuthentication::Basic(_) => {}
            ClientAuthentication::None | ClientAuthentication::Body(_) => {
                form.append_pair("client_id", &settings.client_id);
            }
            ClientAuthentication::PrivateKeyJwt(_) => {
                form.append_pair("client_id", &settings.client_id);
                form.append_pair("client_assertion_type", CLIENT_ASSERTION);
            }
        }
        form.extend_pairs(&settings.parameters);
        form.extend_pairs(
            shown
                .parameters
                .iter()
                .map(|(name, secret)| (name, secret.expose_secret())),
        );
        form.finish()
    }

    fn signed(&self, claims: &BTreeMap<String, String>) -> Result<SecretString, Denied> {
        let refused = |why: String| Denied::refused(format!("{}: auth.oauth2: {why}", self.system));
        let signer = self
            .signer
            .as_ref()
            .ok_or_else(|| refused("there is no private key".to_owned()))?;
        signer
            .assertion(claims)
            .map_err(|error| refused(error.to_string()))
    }

    fn obtained(&self, answer: TokenAnswer, shown: &Shown) -> Result<Obtained, Denied> {
        let refused = |what: &str| Err(Denied::refused(format!("{} answers {what}", self.name())));
        if let Some(kind) = answer
            .token_type
            .filter(|kind| !kind.eq_ignore_ascii_case("bearer"))
        {
            let kind = quoted(&kind, shown);
            return refused(&format!(
                "with a token of the type '{kind}', expected Bearer"
            ));
        }
        let Some(token) = answer
            .access_token
            .filter(|token| !token.expose_secret().is_empty())
        else {
            return refused("without an access_token");
        };
        let refresh_token = answer
            .refresh_token
            .filter(|token| !token.expose_secret().is_empty());
        Ok(Obtained {
            token,
            refresh_token,
            lifetime: answer.expires_in.and_then(seconds),
        })
    }

    fn denied(&self, status: StatusCode, answer: TokenAnswer, shown: &Shown) -> Denied {
        let TokenAnswer {
            error,
            error_description,
            ..
        } = answer;
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
            ("temporarily_unavailable" | "slow_down", _) => Denied::throttled(message),
            ("invalid_grant", OAuthGrant::RefreshToken { .. })
                if ![429, 503].contains(&status.as_u16()) =>
            {
                Denied::finally(self.needs_authorisation(&message))
            }
            _ => by_status(status, message),
        }
    }

    /// An answer that is not JSON is not of a token endpoint, but of what stands before it or in its place. It is
    /// not quoted: it may hold tokens in a form that is not known here.
    fn not_understood(&self, status: StatusCode, body: &[u8]) -> Denied {
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
            Denied::unreachable(message)
        } else {
            by_status(status, message)
        }
    }

    /// What somebody has to do whose refresh token is worth nothing any more.
    pub(crate) fn needs_authorisation(&self, why: &str) -> String {
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

    fn page(&self, page: &WebPage<'_>, shown: &Shown) -> String {
        let call = OutgoingRequest::bare(Method::POST, self.settings.token_url.clone(), "");
        web_page::failure(page, &self.name(), &call, |text| {
            pass::hide(shown.secrets(), text)
        })
        .message
    }

    fn broken(&self, error: reqwest::Error) -> Denied {
        Denied::unreachable(Failure::from_reqwest(&self.system, &self.label(), error).message)
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

impl Shown {
    fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.parameters
            .iter()
            .map(|(_, secret)| secret)
            .chain(&self.basic)
    }
}

/// What an answer that is no yes means by its status.
fn by_status(status: StatusCode, message: String) -> Denied {
    match status.as_u16() {
        429 | 503 => Denied::throttled(message),
        408 | 425 | 500.. => Denied::unreachable(message),
        _ => Denied::refused(message),
    }
}

/// A text of the server in one line, without what is secret.
fn quoted(text: &str, shown: &Shown) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let hidden = pass::hide(shown.secrets(), &line);
    hidden
        .chars()
        .filter(|c| !c.is_control())
        .take(QUOTED)
        .collect()
}

/// The name and the secret are encoded as in a form before they are joined (RFC 6749 §2.3.1).
fn basic(client_id: &str, secret: &SecretString) -> SecretString {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose_secret()));
    format!("Basic {}", BASE64_STANDARD.encode(pair)).into()
}

/// A number of seconds; some servers write it as text.
fn seconds(value: Value) -> Option<Duration> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    number.map(Duration::from_secs)
}
