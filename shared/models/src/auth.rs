//! A system's `auth`: how requests prove who sends them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{request::RequestSection, system::SecretReference, text::JqExpression};

/// How requests prove who sends them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthSection {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer {
        /// The token.
        token: SecretReference,
    },
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user's name.
        username: String,
        /// The user's password.
        password: SecretReference,
    },
    /// A key in a header of its own, in the query or in a cookie.
    ApiKey(ApiKeySection),
    /// Tokens of an authorisation server (RFC 6749), renewed before they expire and when they are
    /// refused, once for all replicas.
    #[serde(rename = "oauth2")]
    OAuth2(Box<OAuth2Section>),
    /// A token that a login gives, renewed before it expires and when it is refused.
    Session(Box<SessionSection>),
}

/// A key in a header of its own, in the query or in a cookie; one of the three is to be named.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySection {
    /// The name of the header that takes the key.
    #[serde(default)]
    pub header: Option<String>,
    /// The name of the query parameter that takes the key.
    #[serde(default)]
    pub query: Option<String>,
    /// The name of the cookie that takes the key.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The key.
    pub value: SecretReference,
}

/// Tokens of an authorisation server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2Section {
    /// What tokens are given for.
    pub grant: GrantSection,
    /// The authorisation server's token endpoint. `${NAME}` is taken from the environment or the
    /// project's `.env`.
    pub token_url: String,
    /// The name by which the authorisation server knows us.
    pub client_id: String,
    /// What proves that we are the client.
    #[serde(default)]
    pub client_secret: Option<SecretReference>,
    /// How we prove to the token endpoint that we are the client.
    #[serde(default)]
    pub client_auth: ClientAuthSection,
    /// What access is asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whom the tokens are for: the parameter `audience`, and with `grant: jwt_bearer` the
    /// assertion's `aud` instead, which is otherwise the token endpoint.
    #[serde(default)]
    pub audience: Option<String>,
    /// Further parameters of the token request, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// With `grant: refresh_token`, the first refresh token; those that follow are kept in the store.
    /// A new one here replaces them.
    #[serde(default)]
    pub refresh_token: Option<SecretReference>,
    /// The key that signs assertions, as PEM (RSA, P-256 or Ed25519, in PKCS#8; RSA in PKCS#1 too).
    #[serde(default)]
    pub private_key: Option<SecretReference>,
    /// The name by which the authorisation server knows the key: the assertions' `kid`.
    #[serde(default)]
    pub key_id: Option<String>,
    /// With `grant: jwt_bearer`, on whose behalf: the assertion's `sub`, otherwise the client.
    #[serde(default)]
    pub subject: Option<String>,
    /// With `grant: jwt_bearer`, further claims of the assertion, by name.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
}

/// What tokens are given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantSection {
    /// The client itself (RFC 6749 §4.4).
    ClientCredentials,
    /// A refresh token (RFC 6749 §6), which may be good for one use only.
    RefreshToken,
    /// An assertion that we sign (RFC 7523 §2.1).
    JwtBearer,
}

/// How we prove to a token endpoint that we are the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthSection {
    /// By `Authorization: Basic …` (RFC 6749 §2.3.1).
    #[default]
    Basic,
    /// By the parameters `client_id` and `client_secret` (RFC 6749 §2.3.1).
    Body,
    /// By an assertion that we sign with `private_key` (RFC 7523 §2.2).
    PrivateKeyJwt,
}

/// A token that a login gives.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct SessionSection {
    /// The login.
    #[serde(flatten)]
    pub request: RequestSection,
    /// What `.` is in the login's body and headers: secrets by name.
    pub credentials: BTreeMap<String, SecretReference>,
    /// The token in the login's answer, where `.` is `{status, headers, body}`; the names of headers
    /// are in lower case.
    pub token: JqExpression,
    /// The header that the token travels in, `{}` being the token: otherwise, and where there is no
    /// cookie, `Authorization: Bearer {}`.
    #[serde(default)]
    pub header: Option<String>,
    /// The name of the cookie that the token travels in.
    #[serde(default)]
    pub cookie: Option<String>,
    /// When the token expires, in the login's answer: seconds from then, seconds since 1970, or a
    /// time as text (RFC 3339). Left out, or null, it is used until it is refused.
    #[serde(default)]
    pub expires: Option<JqExpression>,
}
