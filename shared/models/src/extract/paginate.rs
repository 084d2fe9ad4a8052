//! The section `paginate` of a listing.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::text::JqExpression;

/// The way to the next page.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PaginateSection {
    /// The next page's URL in the answer. Null or missing on the last page.
    Next(JqExpression),
    /// The relation of the `Link` header (RFC 8288) with the next page's URL, usually `next`.
    Link(String),
    /// Numbered pages. The first page without rows is the end, or the page for which `last` is
    /// true.
    Page {
        /// The query parameter for the page number. Left out where the request uses `$page`.
        #[serde(default)]
        param: Option<String>,
        /// The number of the first page.
        #[serde(default = "first_page")]
        #[schemars(range(max = 1_000_000_000))]
        start: u64,
        /// A test that is true for the last page, for sources that refuse a page after the last.
        #[serde(default)]
        last: Option<JqExpression>,
    },
    /// Pages by offset. The first page without rows is the end, or the page for which `last` is
    /// true.
    Offset {
        /// The query parameter for the offset. Left out where the request uses `$page`.
        #[serde(default)]
        param: Option<String>,
        /// A test that is true for the last page, for sources that refuse a page after the last.
        #[serde(default)]
        last: Option<JqExpression>,
    },
    /// A token for the next page in the answer. Null, missing or empty on the last page.
    Token {
        /// The token in an answer.
        value: JqExpression,
        /// The query parameter for the token. Left out where the request uses `$page`.
        #[serde(default)]
        param: Option<String>,
    },
}

fn first_page() -> u64 {
    1
}
