//! Authentication of requests, with its secrets resolved.

use std::{collections::BTreeMap, sync::Arc};

use http::HeaderName;
use pomost_expression::Expression;
use secrecy::SecretString;
use url::Url;

use crate::request::RequestTemplate;

/// The way in which a system's requests authenticate.
#[derive(Debug)]
pub enum SystemAuth {
    /// Requests carry no credentials.
    None,
    /// `Authorization: Bearer …`.
    Bearer { token: SecretString },
    /// `Authorization: Basic …`.
    Basic {
        username: String,
        password: SecretString,
    },
    /// An API key in a header.
    Header {
        name: HeaderName,
        value: SecretString,
    },
    /// An API key in a query parameter.
    Query { name: String, value: SecretString },
    /// An API key in a cookie.
    Cookie { name: String, value: SecretString },
    /// Tokens of an OAuth 2.0 authorisation server.
    OAuth2(Arc<OAuthSettings>),
    /// A token from a login request.
    Session(Arc<SessionLogin>),
}

/// The token endpoint and the credentials for it.
#[derive(Debug)]
pub struct OAuthSettings {
    pub grant: OAuthGrant,
    pub token_url: Url,
    pub client_id: String,
    pub client: ClientAuthentication,
    /// The other parameters of the token request: scope, audience and others.
    pub parameters: Vec<(String, String)>,
}

/// The grant that tokens are requested with.
#[derive(Debug)]
pub enum OAuthGrant {
    /// For the client itself (RFC 6749 §4.4).
    ClientCredentials,
    /// With a refresh token (RFC 6749 §6).
    RefreshToken {
        /// The first refresh token. Each answer may contain the next.
        first: SecretString,
        /// The reference to the first refresh token in the file: `${NAME}`.
        reference: String,
    },
    /// With an assertion that Pomost signs (RFC 7523 §2.1).
    JwtBearer {
        /// The claims of the assertion, without its times and its id.
        claims: BTreeMap<String, String>,
        /// The key that signs the assertion.
        key: PrivateKey,
    },
}

/// The authentication of the client at the token endpoint.
#[derive(Debug)]
pub enum ClientAuthentication {
    /// A public client: only its id is sent.
    None,
    /// `Authorization: Basic …` with this secret.
    Basic(SecretString),
    /// The parameter `client_secret`.
    Body(SecretString),
    /// An assertion signed with this key (RFC 7523 §2.2).
    PrivateKeyJwt(PrivateKey),
}

/// A private key that signs assertions.
#[derive(Debug, Clone)]
pub struct PrivateKey {
    /// The key as PEM.
    pub pem: SecretString,
    /// The key's id: `kid`.
    pub id: Option<String>,
}

/// A login request, and the use of the token in its answer.
#[derive(Debug)]
pub struct SessionLogin {
    pub request: RequestTemplate,
    /// The input of the request's expressions.
    pub credentials: BTreeMap<String, SecretString>,
    /// The token, in `{status, headers, body}` of the answer.
    pub token: Expression,
    /// The time when the token expires, in `{status, headers, body}` of the answer.
    pub expires: Option<Expression>,
    pub place: SessionTokenPlace,
}

/// The place of a token in a request.
#[derive(Debug, Clone)]
pub enum SessionTokenPlace {
    /// A header.
    Header {
        name: HeaderName,
        /// The text before the token.
        before: String,
        /// The text after the token.
        after: String,
    },
    /// The cookie with this name.
    Cookie(String),
}

impl SessionTokenPlace {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    pub fn bearer() -> SessionTokenPlace {
        SessionTokenPlace::Header {
            name: http::header::AUTHORIZATION,
            before: "Bearer ".to_owned(),
            after: String::new(),
        }
    }
}

impl OAuthSettings {
    /// The key that signs assertions. None where nothing is signed.
    pub fn signing_key(&self) -> Option<&PrivateKey> {
        match (&self.grant, &self.client) {
            (OAuthGrant::JwtBearer { key, .. }, _)
            | (_, ClientAuthentication::PrivateKeyJwt(key)) => Some(key),
            _ => None,
        }
    }

    /// The secret that tokens are given for. Another secret means that stored tokens are no longer
    /// used.
    ///
    /// A refresh token goes before the client's secret, which may change while the refresh token
    /// stays valid. None where a certificate authenticates the client.
    pub fn secret(&self) -> Option<&SecretString> {
        match (&self.grant, &self.client, self.signing_key()) {
            (OAuthGrant::RefreshToken { first, .. }, ..) => Some(first),
            (.., Some(key)) => Some(&key.pem),
            (_, ClientAuthentication::Basic(secret) | ClientAuthentication::Body(secret), _) => {
                Some(secret)
            }
            _ => None,
        }
    }

    /// Everything beside the secret that tokens depend on. The rights of a refresh token were
    /// decided when it was given, so the parameters of the request do not matter for it.
    pub fn configuration(&self) -> Vec<&str> {
        let mut configuration = vec![self.token_url.as_str(), &self.client_id];
        if !matches!(self.grant, OAuthGrant::RefreshToken { .. }) {
            configuration.extend(
                self.parameters
                    .iter()
                    .flat_map(|(name, value)| [name.as_str(), value]),
            );
        }
        if let OAuthGrant::JwtBearer { claims, .. } = &self.grant {
            configuration.extend(
                claims
                    .iter()
                    .flat_map(|(name, value)| [name.as_str(), value]),
            );
        }
        configuration
    }
}
