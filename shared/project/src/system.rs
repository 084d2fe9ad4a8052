//! Systems with resolved settings.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use crate::auth::SystemAuth;
use crate::request::AnswerRule;

/// A business system with an HTTP API.
#[derive(Debug)]
pub struct System {
    pub name: String,
    /// The hash of the file's text.
    pub digest: [u8; 32],
    /// The URL of the API. It ends in a slash, so that paths are appended to it.
    pub base_url: Url,
    pub auth: SystemAuth,
    pub tls: TlsSettings,
    /// The time that one request may take, including its answer.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// The longest silence before and within an answer.
    pub read_timeout: Duration,
    /// The longest answer in bytes, before and after decompression.
    pub max_answer: u64,
    /// The highest number of requests in flight, per process.
    pub concurrency: usize,
    pub rate_limit: Option<RateLimit>,
    /// Rules for answers that mean something else than their HTTP status says.
    pub answers: Vec<AnswerRule>,
}

/// The rate of a system's requests, from all replicas together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The time from one request to the next, in whole microseconds.
    pub interval: Duration,
    /// The number of unused requests that may be caught up on at once.
    pub burst: u32,
}

/// Certificates for connections to a system.
#[derive(Debug, Default)]
pub struct TlsSettings {
    /// The certificates to trust instead of the platform's, as PEM.
    pub ca: Option<String>,
    /// The client's private key, its certificate and the intermediate certificates, as PEM.
    pub identity: Option<SecretString>,
}
