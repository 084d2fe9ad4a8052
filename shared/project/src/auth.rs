//! How requests prove who sends them, with its secrets resolved.

use std::{collections::BTreeMap, sync::Arc};

use http::HeaderName;
use pomost_expression::Expression;
use secrecy::SecretString;
use url::Url;

use crate::request::RequestTemplate;

/// How requests prove who sends them.
#[derive(Debug)]
pub enum SystemAuth {
    /// They do not.
    None,
    /// `Authorization: Bearer …`.
    Bearer {
        /// The token.
        token: SecretString,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// The user's name.
        username: String,
        /// The user's password.
        password: SecretString,
    },
    /// A key in a header of its own.
    Header {
        /// The header's name.
        name: HeaderName,
        /// The key.
        value: SecretString,
    },
    /// A key in a query parameter.
    Query {
        /// The parameter's name.
        name: String,
        /// The key.
        value: SecretString,
    },
    /// A key in a cookie.
    Cookie {
        /// The cookie's name.
        name: String,
        /// The key.
        value: SecretString,
    },
    /// Tokens of an authorisation server.
    OAuth2(Arc<OAuthSettings>),
    /// A token that a login gives.
    Session(Arc<SessionLogin>),
}

/// Where tokens come from, and what is shown for them.
#[derive(Debug)]
pub struct OAuthSettings {
    /// What tokens are given for.
    pub grant: OAuthGrant,
    /// The authorisation server's token endpoint.
    pub token_url: Url,
    /// The name by which the authorisation server knows us.
    pub client_id: String,
    /// What proves that we are the client.
    pub client: ClientAuthentication,
    /// The parameters of the request beside those: scope, audience and others.
    pub parameters: Vec<(String, String)>,
}

/// What tokens are given for.
#[derive(Debug)]
pub enum OAuthGrant {
    /// The client itself (RFC 6749 §4.4).
    ClientCredentials,
    /// A refresh token (RFC 6749 §6).
    RefreshToken {
        /// The first one; each answer may bring the next.
        first: SecretString,
        /// Where the first one is found, as the file has it: `${NAME}`.
        reference: String,
    },
    /// An assertion that we sign (RFC 7523 §2.1).
    JwtBearer {
        /// Its claims beside the times and the id.
        claims: BTreeMap<String, String>,
        /// What signs it.
        key: PrivateKey,
    },
}

/// What proves to a token endpoint that we are the client.
#[derive(Debug)]
pub enum ClientAuthentication {
    /// Nothing: a public client is only named.
    None,
    /// `Authorization: Basic …` with this secret.
    Basic(SecretString),
    /// The parameter `client_secret`.
    Body(SecretString),
    /// An assertion signed with this key (RFC 7523 §2.2).
    PrivateKeyJwt(PrivateKey),
}

/// A key that signs assertions.
#[derive(Debug, Clone)]
pub struct PrivateKey {
    /// The key as PEM.
    pub pem: SecretString,
    /// Its name: `kid`.
    pub id: Option<String>,
}

/// A login, and what to do with what it gives.
#[derive(Debug)]
pub struct SessionLogin {
    /// The login.
    pub request: RequestTemplate,
    /// What its expressions have as their input.
    pub credentials: BTreeMap<String, SecretString>,
    /// The token, in `{status, headers, body}` of its answer.
    pub token: Expression,
    /// When the token expires, in the same.
    pub expires: Option<Expression>,
    /// Where the token travels.
    pub place: SessionTokenPlace,
}

/// Where a token travels in a request.
#[derive(Debug, Clone)]
pub enum SessionTokenPlace {
    /// In a header.
    Header {
        /// The header's name.
        name: HeaderName,
        /// What stands before the token.
        before: String,
        /// What stands behind it.
        after: String,
    },
    /// In a cookie of this name.
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
    /// The key that signs assertions, where there are any.
    pub fn signing_key(&self) -> Option<&PrivateKey> {
        match (&self.grant, &self.client) {
            (OAuthGrant::JwtBearer { key, .. }, _)
            | (_, ClientAuthentication::PrivateKeyJwt(key)) => Some(key),
            _ => None,
        }
    }

    /// The secret that the tokens are given for: another one means other tokens. That of the client
    /// may change while its refresh token stays good. None where a certificate proves who we are.
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

    /// What the tokens depend on beside the secret. What a refresh token is good for was settled when
    /// it was given.
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
