//! A system's `auth`: authentication of requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{request::RequestSection, secret::SecretReference, text::JqExpression};

/// The authentication of requests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthSection {
    /// A bearer token: `Authorization: Bearer …` (RFC 6750).
    Bearer {
        /// The token.
        token: SecretReference,
    },
    /// User name and password: `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user's name.
        username: String,
        /// The user's password.
        password: SecretReference,
    },
    /// An API key in a header, in a query parameter or in a cookie.
    ApiKey(ApiKeySection),
    /// Tokens of an OAuth 2.0 authorisation server (RFC 6749). They are renewed before they expire
    /// and when they are refused, once for all replicas.
    #[serde(rename = "oauth2")]
    OAuth2(Box<OAuth2Section>),
    /// A token from a login request. It is renewed before it expires and when it is refused.
    Session(Box<SessionSection>),
}

/// An API key in a header, in a query parameter or in a cookie: exactly one of `header`, `query`
/// and `cookie` has to be given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySection {
    /// The name of the header that carries the key.
    #[serde(default)]
    pub header: Option<String>,
    /// The name of the query parameter that carries the key.
    #[serde(default)]
    pub query: Option<String>,
    /// The name of the cookie that carries the key.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The key.
    pub value: SecretReference,
}

/// Tokens of an OAuth 2.0 authorisation server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2Section {
    /// The grant that the tokens are requested with.
    pub grant: GrantSection,
    /// The token endpoint of the authorisation server. `${NAME}` is taken from the environment or
    /// the project's `.env`.
    pub token_url: String,
    /// The client id that the authorisation server knows Pomost by.
    pub client_id: String,
    /// The client secret.
    #[serde(default)]
    pub client_secret: Option<SecretReference>,
    /// The authentication of Pomost at the token endpoint.
    #[serde(default)]
    pub client_auth: ClientAuthSection,
    /// The scopes that are requested.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The audience of the tokens: the parameter `audience`. With `grant: jwt_bearer` it is the
    /// assertion's `aud` instead, which is the token endpoint by default.
    #[serde(default)]
    pub audience: Option<String>,
    /// Further parameters of the token request, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// With `grant: refresh_token`, the first refresh token. The tokens that follow are kept in the
    /// store. A new value here replaces them.
    #[serde(default)]
    pub refresh_token: Option<SecretReference>,
    /// The private key that signs assertions, as PEM: RSA, P-256 or Ed25519, in PKCS#8 (RSA also in
    /// PKCS#1).
    #[serde(default)]
    pub private_key: Option<SecretReference>,
    /// The id of the key at the authorisation server: the `kid` of assertions.
    #[serde(default)]
    pub key_id: Option<String>,
    /// With `grant: jwt_bearer`, the assertion's `sub`: the user on whose behalf tokens are
    /// requested. The client id by default.
    #[serde(default)]
    pub subject: Option<String>,
    /// With `grant: jwt_bearer`, further claims of the assertion, by name.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
}

/// The grant that tokens are requested with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantSection {
    /// For the client itself (RFC 6749 §4.4).
    ClientCredentials,
    /// With a refresh token (RFC 6749 §6), which may be valid for one use only.
    RefreshToken,
    /// With an assertion that Pomost signs (RFC 7523 §2.1).
    JwtBearer,
}

/// The authentication of Pomost at the token endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthSection {
    /// With `Authorization: Basic …` (RFC 6749 §2.3.1).
    #[default]
    Basic,
    /// With the parameters `client_id` and `client_secret` (RFC 6749 §2.3.1).
    Body,
    /// With an assertion that is signed with `private_key` (RFC 7523 §2.2).
    PrivateKeyJwt,
}

/// A token from a login request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct SessionSection {
    /// The login request.
    #[serde(flatten)]
    pub request: RequestSection,
    /// The secrets of the login, by name. They are the input `.` of its body and headers.
    pub credentials: BTreeMap<String, SecretReference>,
    /// The token in the login's answer, where `.` is `{status, headers, body}`. The names of
    /// headers are in lower case.
    pub token: JqExpression,
    /// The header that carries the token, with `{}` in place of the token. By default, and where no
    /// cookie is given, `Authorization: Bearer {}`.
    #[serde(default)]
    pub header: Option<String>,
    /// The name of the cookie that carries the token.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The time when the token expires, in the login's answer: seconds from then, seconds since
    /// 1970, or a time as text (RFC 3339). If left out, or null, the token is used until it is
    /// refused.
    #[serde(default)]
    pub expires: Option<JqExpression>,
}
