//! The section `extract.cursor` of a flow file.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::{Period, text::JqExpression};

/// The cursor, which says how far the source has been read: the highest value in its records
/// (`value`), or a token or a link in its last answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorSection {
    /// The cursor's value in a record. The next run begins at the highest value that was seen.
    /// Records in which it is null are ignored.
    #[serde(default)]
    pub value: Option<JqExpression>,
    /// The sync token in an answer, `.nextSyncToken`. The next run begins at the token of the last
    /// answer that has one. Tokens are not compared. If the source no longer knows the token (404,
    /// 410), everything is read again.
    #[serde(default)]
    pub token: Option<JqExpression>,
    /// The URL in an answer that lists later changes, `.["@odata.deltaLink"]`. The next run begins
    /// there.
    #[serde(default)]
    pub link: Option<JqExpression>,
    /// The query parameter for the token. The request does not have it while there is no token.
    /// Left out where the request uses `$cursor`.
    #[serde(default)]
    pub param: Option<String>,
    /// The place where the first run begins: text or a number. Left out with a token where the
    /// source needs none at first, and with a link. A number is a number in expressions, until the
    /// source gives such values as text.
    #[serde(default, deserialize_with = "optional_text_or_integer")]
    #[schemars(extend("type" = ["string", "integer"]))]
    pub start: Option<String>,
    /// The time by which each run reaches back behind the cursor, for changes that the source shows
    /// late. A record that is read twice is sent once.
    #[serde(default)]
    pub overlap: Option<Period>,
    /// The length of time windows from `$cursor` to `$until`, which are read one after the other up
    /// to now: for sources whose answers cover a limited time.
    #[serde(default)]
    pub step: Option<Period>,
}

/// Text, or an integer by its digits.
fn optional_text_or_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected text, or an integer of at most 19 digits; longer ones go into quotes"
    )]
    enum TextOrInteger {
        Text(String),
        Integer(i64),
    }
    Ok(Some(match TextOrInteger::deserialize(deserializer)? {
        TextOrInteger::Text(text) => text,
        TextOrInteger::Integer(integer) => integer.to_string(),
    }))
}
