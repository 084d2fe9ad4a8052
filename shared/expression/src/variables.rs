//! The variables that expressions see.

use crate::Value;

/// The values of `$key $version $op $id $cursor $until $page $parent $flow $run $headers`; null
/// where there is none.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    pub key: Value,
    pub version: Value,
    /// `upsert` or `delete`.
    pub op: Value,
    /// The destination's id of the record.
    pub id: Value,
    /// The cursor: the point to which the source had been read when the run began.
    pub cursor: Value,
    /// The end of the window of time that is read.
    pub until: Value,
    /// The page number, offset or token.
    pub page: Value,
    /// The row of `for_each` whose records are read.
    pub parent: Value,
    pub flow: Value,
    pub run: Value,
    /// The headers of a webhook's delivery, by their names in lower case.
    pub headers: Value,
}

pub(crate) const NAMES: [&str; 11] = [
    "key", "version", "op", "id", "cursor", "until", "page", "parent", "flow", "run", "headers",
];

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Value {
        let value = match name {
            "key" => &self.key,
            "version" => &self.version,
            "op" => &self.op,
            "id" => &self.id,
            "cursor" => &self.cursor,
            "until" => &self.until,
            "page" => &self.page,
            "parent" => &self.parent,
            "flow" => &self.flow,
            "run" => &self.run,
            _ => &self.headers,
        };
        value.clone()
    }
}

/// The variables that a source may use: each one whose name stands after a dollar sign in it. Only
/// these are handed to it, since most expressions use none.
pub(crate) fn used_in(source: &str) -> Vec<&'static str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = |name: &&str| {
        source.split('$').skip(1).any(|rest| {
            rest.strip_prefix(name)
                .is_some_and(|end| !end.starts_with(word))
        })
    };
    NAMES.into_iter().filter(named).collect()
}
