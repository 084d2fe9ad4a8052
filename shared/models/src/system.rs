//! `systems/*.yaml`: the business systems.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::{Period, request::AnswerRuleSection, text::Name};

/// A business system with an HTTP API: where it is, how to be let in, and its limits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemFile {
    /// The system's name, which flows refer to; the same as the file's.
    pub system: Name,
    /// Where the API is. `${NAME}` is taken from the environment or the project's `.env`.
    pub base_url: String,
    /// Whether plain http may be used with a host that is not this machine. Credentials and data
    /// then cross the network readable.
    #[serde(default)]
    pub allow_http: bool,
    /// How requests prove who sends them; left out where the API asks for nothing.
    #[serde(default)]
    pub auth: Option<AuthSection>,
    /// How long one request may take, answer included.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Requests in flight at a time, per process.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u32,
    /// What answers mean where that is not what HTTP says.
    #[serde(default)]
    pub answers: Vec<AnswerRuleSection>,
}

fn default_timeout() -> Period {
    Period(std::time::Duration::from_secs(30))
}

fn default_concurrency() -> u32 {
    16
}

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
    /// A key in a header of its own or in the query.
    ApiKey(ApiKeySection),
}

/// A key in a header of its own or in the query; one of the two is to be named.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySection {
    /// The name of the header that takes the key.
    #[serde(default)]
    pub header: Option<String>,
    /// The name of the query parameter that takes the key.
    #[serde(default)]
    pub query: Option<String>,
    /// The key.
    pub value: SecretReference,
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
