//! A business system, with its settings resolved.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use crate::auth::SystemAuth;
use crate::request::AnswerRule;

/// A business system with an HTTP API.
#[derive(Debug)]
pub struct System {
    /// Its name.
    pub name: String,
    /// The hash of its file's text.
    pub digest: [u8; 32],
    /// Where its API is; ends with a slash, so that paths are joined to it, never replace it.
    pub base_url: Url,
    /// How requests prove who sends them.
    pub auth: SystemAuth,
    /// How connections are secured, beyond what is trusted anyway.
    pub tls: TlsSettings,
    /// How long one request may take, answer included.
    pub timeout: Duration,
    /// How long it may take to connect.
    pub connect_timeout: Duration,
    /// How long an answer may be silent, before it begins and in its midst.
    pub read_timeout: Duration,
    /// The longest answer that is read, in bytes, as it comes and decompressed.
    pub max_answer: u64,
    /// Requests in flight at a time, per process.
    pub concurrency: usize,
    /// How many requests it takes, of all replicas together.
    pub rate_limit: Option<RateLimit>,
    /// What its answers mean where that is not what HTTP says.
    pub answers: Vec<AnswerRule>,
}

/// How many requests a system takes, of all replicas together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// From one request to the next, in whole microseconds.
    pub interval: Duration,
    /// How many requests that were not made in their time may be made later, at once.
    pub burst: u32,
}

/// How connections are secured, beyond what is trusted anyway.
#[derive(Debug, Default)]
pub struct TlsSettings {
    /// The certificates to trust instead of the platform's, as PEM.
    pub ca: Option<String>,
    /// Our private key and our certificate with those above it, as PEM.
    pub identity: Option<SecretString>,
}
