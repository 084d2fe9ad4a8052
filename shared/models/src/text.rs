//! Texts of files that have a form of their own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A text with a pattern of its own, so that editors and `pomost check` can tell it from others.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_type!(
    /// A jq expression.
    JqExpression,
    {
        "type": "string",
        "pattern": r"\S",
        "format": "jq",
        "patternErrorMessage": "expected a jq expression as text, in quotes or below a |",
        "description": "A jq expression."
    }
);

text_type!(
    /// A method and a path under the system's base URL; each `{…}` in it is a jq expression whose
    /// value is percent-encoded.
    RequestLine,
    {
        "type": "string",
        "pattern": "^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /",
        "patternErrorMessage": "expected a method and a path, such as GET /customers; the host is the system's base_url",
        "description": "A method and a path: GET /customers?since={$cursor}. What stands in braces is jq."
    }
);

text_type!(
    /// The name of a system or a flow.
    ResourceName,
    {
        "type": "string",
        "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$",
        "patternErrorMessage": "expected a name of lower-case letters, digits, - and _, at most 63 of them",
        "description": "Lower-case letters, digits, - and _."
    }
);

text_type!(
    /// A text whose `{…}` are jq expressions, filled in as they are.
    TextTemplate,
    {
        "type": "string",
        "patternErrorMessage": "expected text, in quotes where it looks like a number; what stands in braces is jq",
        "description": "Text; what stands in braces is jq."
    }
);

/// A status of an answer, or the hundred it is of: `404`, `5xx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPattern(pub String);

impl<'de> Deserialize<'de> for StatusPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StatusPattern, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Text(String),
        }
        Ok(StatusPattern(match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        }))
    }
}

impl JsonSchema for StatusPattern {
    fn schema_name() -> Cow<'static, str> {
        "StatusPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 100,
            "maximum": 599,
            "pattern": "^[1-5]([0-9][0-9]|xx)$",
            "patternErrorMessage": "expected a status, such as 404, or a hundred of them, such as 5xx",
        })
    }
}
