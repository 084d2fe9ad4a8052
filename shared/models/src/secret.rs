//! References to secrets.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A reference to a secret: `${NAME}` or `${file:PATH}`. The secret itself never stands in a file
/// of the project that goes to git.
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
            "patternErrorMessage": "expected a reference to the secret, ${NAME} or ${file:PATH}; the secret itself does not belong here",
            "description": "A reference to the secret: ${NAME} from the environment or .env, or ${file:PATH}.",
        })
    }
}
