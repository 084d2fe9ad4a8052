//! A business system, with its settings resolved.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::request::AnswerRule;

/// A business system with an HTTP API.
#[derive(Debug)]
pub struct System {
    /// Its name.
    pub name: String,
    /// Where its API is; ends with a slash, so that paths are joined to it, never replace it.
    pub base_url: Url,
    /// How requests prove who sends them.
    pub auth: Auth,
    /// How long one request may take, answer included.
    pub timeout: Duration,
    /// Requests in flight at a time, per process.
    pub concurrency: usize,
    /// What its answers mean where that is not what HTTP says.
    pub answers: Vec<AnswerRule>,
}

/// How requests prove who sends them.
#[derive(Debug)]
pub enum Auth {
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
        name: http::HeaderName,
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
}
