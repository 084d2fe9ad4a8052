//! `systems/*.yaml`: the business systems.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::{
    ByteSize, Period, auth::AuthSection, rate::RateLimitSection, request::AnswerRuleSection,
    text::ResourceName,
};

/// A business system with an HTTP API: where it is, how to be let in, and its limits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemFile {
    /// The system's name, which flows refer to; the same as the file's.
    pub system: ResourceName,
    /// Where the API is. `${NAME}` is taken from the environment or the project's `.env`.
    pub base_url: String,
    /// Whether plain http may be used with a host that is not this machine. Credentials and data
    /// then cross the network readable.
    #[serde(default)]
    pub allow_http: bool,
    /// How requests prove who sends them; left out where the API asks for nothing.
    #[serde(default)]
    pub auth: Option<AuthSection>,
    /// How connections are secured, beyond what is trusted anyway.
    #[serde(default)]
    pub tls: Option<TlsSection>,
    /// How long one request may take, answer included; at most 5m. An answer that is read row by row may
    /// take as long as it needs.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// How long it may take to connect; at most 5m.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Period,
    /// How long an answer may be silent, before it begins and in its midst; at most 5m. Left out, as
    /// long as `timeout`.
    #[serde(default)]
    pub read_timeout: Option<Period>,
    /// The longest answer that is held in memory, as it comes and decompressed; at most 1GiB. An answer
    /// that is read row by row may be as long as it likes.
    #[serde(default = "default_max_answer")]
    pub max_answer: ByteSize,
    /// Requests in flight at a time at most, per process; fewer while the system takes fewer.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u32,
    /// How many requests the system takes, of all flows and all replicas together: `50/s`, `1000/h` or
    /// `100/10s`, or `{ limit: 100/10s, burst: 20 }`. They are spread evenly. What asks for tokens is not
    /// counted. Left out, there is no limit but what the system says itself.
    #[serde(default)]
    pub rate_limit: Option<RateLimitSection>,
    /// What answers mean where that is not what HTTP says.
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

/// How connections are secured, beyond what is trusted anyway.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// The certificates that the system's own has to come from, as PEM, instead of those that the
    /// platform trusts: `${file:PATH}` or a path in the project.
    #[serde(default)]
    pub ca: Option<String>,
    /// Our certificate, with those between it and its root, as PEM: `${file:PATH}` or a path in the
    /// project.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The private key of our certificate, as PEM.
    #[serde(default)]
    pub key: Option<SecretReference>,
}

/// Where a secret is to be found: `${NAME}` or `${file:PATH}`. The secret itself never stands in
/// a file of the project that goes to git.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretReference(pub String);

impl JsonSchema for SecretReference {
    fn schema_name() -> Cow<'static, str> {
        "SecretReference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^\$\{(file:[^}]+|[A-Za-z_][A-Za-z0-9_]*)\}$",
            "patternErrorMessage": "expected where the secret is, ${NAME} or ${file:PATH}; the secret itself does not belong here",
            "description": "Where the secret is: ${NAME} from the environment or .env, or ${file:PATH}.",
        })
    }
}
