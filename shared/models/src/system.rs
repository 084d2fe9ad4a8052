//! `systems/*.yaml`: the business systems.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    ByteSize, Period, auth::AuthSection, rate::RateLimitSection, request::AnswerRuleSection,
    secret::SecretReference, text::ResourceName,
};

/// A business system with an HTTP API: its address, its credentials and its limits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemFile {
    /// The system's name, which flows refer to. It is the same as the file's name.
    pub system: ResourceName,
    /// The URL of the API. `${NAME}` is taken from the environment or the project's `.env`.
    pub base_url: String,
    /// Allows plain http to a host that is not this machine. Credentials and data are then readable
    /// on the network.
    #[serde(default)]
    pub allow_http: bool,
    /// The authentication of requests. Left out where the API needs no credentials.
    #[serde(default)]
    pub auth: Option<AuthSection>,
    /// TLS certificates, where the platform's are not enough.
    #[serde(default)]
    pub tls: Option<TlsSection>,
    /// The time that one request may take, including its answer. At most 5m. An answer that is read
    /// row by row may take longer.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// The time that connecting may take. At most 5m.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Period,
    /// The longest silence before and within an answer. At most 5m. By default the same as
    /// `timeout`.
    #[serde(default)]
    pub read_timeout: Option<Period>,
    /// The longest answer that is held in memory, before and after decompression. At most 1GiB. An
    /// answer that is read row by row may be longer.
    #[serde(default = "default_max_answer")]
    pub max_answer: ByteSize,
    /// The highest number of requests in flight, per process. Pomost lowers it by itself while the
    /// system is overloaded.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u32,
    /// The number of requests that the system accepts, from all flows and all replicas together:
    /// `50/s`, `1000/h`, `100/10s` or `{ limit: 100/10s, burst: 20 }`. Requests are spread evenly.
    /// Requests for tokens are not counted. If left out, only the limits that the system itself
    /// announces apply.
    #[serde(default)]
    pub rate_limit: Option<RateLimitSection>,
    /// Rules for answers that mean something else than their HTTP status says.
    #[serde(default)]
    pub answers: Vec<AnswerRuleSection>,
}

fn default_timeout() -> Period {
    Period(std::time::Duration::from_secs(30))
}

fn default_connect_timeout() -> Period {
    Period(std::time::Duration::from_secs(10))
}

fn default_max_answer() -> ByteSize {
    ByteSize(64 << 20)
}

fn default_concurrency() -> u32 {
    16
}

/// TLS certificates, where the platform's are not enough.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// The certificates that the system's certificate has to be signed by, as PEM, instead of those
    /// that the platform trusts: `${file:PATH}` or a path in the project.
    #[serde(default)]
    pub ca: Option<String>,
    /// The client certificate with its intermediate certificates, as PEM: `${file:PATH}` or a path
    /// in the project.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The private key of the client certificate, as PEM.
    #[serde(default)]
    pub key: Option<SecretReference>,
}
