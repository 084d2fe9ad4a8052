//! What orders the changes of one key.

mod order;
#[cfg(test)]
mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use order::{is_older, waits_for, was_read_before};

/// The version of a record, or the value of a cursor: a time, a number or text, told apart by its
/// look where its flow does not say which, and kept as the source wrote it. That of a record also says
/// when it was read, in the order of extraction: of equal versions, the one read later is newer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(String);

/// What a flow says that its versions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VersionType {
    /// Instants (RFC 3339), whatever their zone.
    Time,
    /// Decimal numbers of any length.
    Number,
    /// Text, character by character: `10` before `9`.
    Text,
}

/// What text begins with that is to be compared as such, whatever it looks like. No source begins its
/// versions with a control character.
const TEXT: char = '\u{2}';

/// What a version begins with that is nothing but an order of extraction.
const ORDER: char = '@';

/// What stands between the text that a source gave and another one that it is ordered as.
const ORDERED_AS: char = '\u{3}';
/// What a version ends with that its source gave as text, though it looks like a number. Whoever does not know
/// it takes it for a part of the order of extraction, where it changes nothing.
const AS_TEXT: char = '\u{4}';

impl Version {
    /// The version a source gave.
    pub fn new(text: impl Into<String>) -> Version {
        Version(text.into())
    }

    /// The version a source gave, of a type that its flow names; none where it is not of that type.
    pub fn of_type(text: &str, expected: VersionType) -> Option<Version> {
        match expected {
            VersionType::Time => order::of_time(text).map(|_| Version::new(text)),
            VersionType::Number => order::of_number(text).map(|_| Version::new(text)),
            VersionType::Text => Some(Version(format!("{TEXT}{text}"))),
        }
    }

    /// The same version, ordered as another text that a source could have given is. So those that are
    /// ordered as the same are equal, and of these the one read later is newer.
    pub fn ordered_as(self, text: &str) -> Version {
        Version(format!("{}{ORDERED_AS}{text}", self.0))
    }

    /// The same version, given as text that looks like a number. It is ordered as the number, and is text in
    /// expressions.
    pub fn marked_as_text(self) -> Version {
        if self.0.ends_with(AS_TEXT) {
            self
        } else {
            Version(format!("{}{AS_TEXT}", self.0))
        }
    }

    /// Whether it is text in expressions whatever it looks like: so it was given, or its flow says that versions
    /// are text.
    pub fn is_text(&self) -> bool {
        self.is_of_extraction() || self.0.starts_with(TEXT) || self.0.ends_with(AS_TEXT)
    }

    /// The version of a record whose source gives none: the order of extraction. Its `moment` is an id
    /// that grows with time (UUID version 7, RFC 9562): of when its page was asked for, or of when it
    /// arrived where its source delivered it. So what is delivered after a page was asked for is newer
    /// than the page, and whoever reads a page again after a crash reads it later than who read it before.
    pub fn of_extraction(moment: Uuid, row: usize) -> Version {
        Version(format!("{ORDER}{moment}/{row:08}"))
    }

    /// The version that a source gave of a record which has this place in the order of extraction.
    pub fn with_extraction_order(self, order: &Version) -> Version {
        let (_, Some(order)) = order.parts() else {
            return self;
        };
        let given = self.0.strip_suffix(AS_TEXT);
        let extracted = Version(format!(
            "{}{}{order}",
            given.unwrap_or(&self.0),
            order::EXTRACTED
        ));
        if given.is_some() {
            extracted.marked_as_text()
        } else {
            extracted
        }
    }

    /// The same version, read when the one of this order key was.
    pub fn with_order_of_key(self, order_key: &str) -> Version {
        let Some(order) = order::extraction(order_key) else {
            return self;
        };
        let read = Version(format!("{ORDER}{}", order.trim_end_matches(AS_TEXT)));
        match self.source_text() {
            None => read,
            Some(given) if self.0.ends_with(AS_TEXT) => Version::new(given)
                .marked_as_text()
                .with_extraction_order(&read),
            Some(given) => Version::new(given).with_extraction_order(&read),
        }
    }

    /// The text as the source wrote it.
    pub fn as_str(&self) -> &str {
        let Some(given) = self.source_text() else {
            return &self.0;
        };
        let written = given
            .split_once(ORDERED_AS)
            .map_or(given, |(written, _)| written);
        written.strip_prefix(TEXT).unwrap_or(written)
    }

    /// What the source gave, without the order of extraction: the text of which [`Version::new`] makes the
    /// version again. None where it gave nothing.
    pub fn source_text(&self) -> Option<&str> {
        self.parts().0
    }

    /// Whether it is the order of extraction, which the record has for want of a version.
    pub fn is_of_extraction(&self) -> bool {
        self.source_text().is_none()
    }

    /// A text by which the store compares versions ([`is_older`]): among those of one type, which its
    /// first character names, its byte order is theirs.
    pub fn order_key(&self) -> String {
        match self.parts() {
            (None, order) => format!("{}{}", order::OF_EXTRACTION, order.unwrap_or_default()),
            (Some(given), None) => order::of_given(given),
            // With its end, as whoever does not know that has it in the ledger.
            (Some(given), Some(order)) => {
                let end = if self.0.ends_with(AS_TEXT) {
                    &AS_TEXT.to_string()
                } else {
                    ""
                };
                format!("{}{}{order}{end}", order::of_given(given), order::EXTRACTED)
            }
        }
    }

    /// Whether the two have an order: both are times, numbers or text, or one is an order of extraction
    /// and both say when they were read.
    pub fn compares_with(&self, other: &Version) -> bool {
        order::compares(&self.order_key(), &other.order_key()).is_some()
    }

    /// Whether it is older than another; `false` as well where the two have no order.
    pub fn is_older(&self, than: &Version) -> bool {
        is_older(&self.order_key(), &than.order_key())
    }

    /// The later of two.
    pub fn max(self, other: Version) -> Version {
        if other.order_key() > self.order_key() {
            other
        } else {
            self
        }
    }

    /// What the source gave, and the order of extraction.
    fn parts(&self) -> (Option<&str>, Option<&str>) {
        let version = self.0.strip_suffix(AS_TEXT).unwrap_or(&self.0);
        match (
            version.split_once(order::EXTRACTED),
            version.strip_prefix(ORDER),
        ) {
            (Some((given, order)), _) => (Some(given), Some(order)),
            (None, Some(order)) => (None, Some(order)),
            (None, None) => (Some(version), None),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl VersionType {
    /// What is expected, in words.
    pub fn expected(self) -> &'static str {
        match self {
            VersionType::Time => "a time with its zone (RFC 3339)",
            VersionType::Number => "a number",
            VersionType::Text => "text",
        }
    }
}
