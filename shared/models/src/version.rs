//! Versions, which order the changes of one key.

mod order;
#[cfg(test)]
mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use order::{is_older, waits_for, was_read_before};

/// The version of a record, or the value of a cursor: a time, a number or text, kept as the source
/// wrote it. Its type is recognised by its look unless the flow says it.
///
/// The version of a record also holds when it was read, the order of extraction: of two equal
/// versions the one that was read later is newer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(String);

/// The type of a flow's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VersionType {
    /// Times (RFC 3339) in any zone.
    Time,
    /// Decimal numbers of any length.
    Number,
    /// Text, compared character by character: `10` comes before `9`.
    Text,
}

/// Begins a version that is compared as text, whatever it looks like. Sources do not begin versions
/// with a control character.
const TEXT_PREFIX: char = '\u{2}';

/// Begins a version that is only an order of extraction.
const ORDER_PREFIX: char = '@';

/// Separates the text that a source gave from the text that decides its order.
const ORDERED_AS_SEPARATOR: char = '\u{3}';
/// Ends a version that its source gave as text although it looks like a number. Older releases take
/// it for a part of the order of extraction, where it changes nothing.
const TEXT_SUFFIX: char = '\u{4}';

impl Version {
    /// The version that a source gave.
    pub fn new(text: impl Into<String>) -> Version {
        Version(text.into())
    }

    /// The version that a source gave, of a known type. None where the text is not of that type.
    pub fn of_type(text: &str, expected: VersionType) -> Option<Version> {
        match expected {
            VersionType::Time => order::of_time(text).map(|_| Version::new(text)),
            VersionType::Number => order::of_number(text).map(|_| Version::new(text)),
            VersionType::Text => Some(Version(format!("{TEXT_PREFIX}{text}"))),
        }
    }

    /// The same version, but ordered like another text. Versions ordered like the same text are
    /// equal, so the one that was read later is newer.
    pub fn ordered_as(self, text: &str) -> Version {
        Version(format!("{}{ORDERED_AS_SEPARATOR}{text}", self.0))
    }

    /// The same version, marked as text that looks like a number. It is ordered like the number,
    /// and is text in expressions.
    pub fn marked_as_text(self) -> Version {
        if self.0.ends_with(TEXT_SUFFIX) {
            self
        } else {
            Version(format!("{}{TEXT_SUFFIX}", self.0))
        }
    }

    /// True where the version is text in expressions, whatever it looks like: the source gave it as
    /// text, or the flow says that versions are text.
    pub fn is_text(&self) -> bool {
        self.is_of_extraction() || self.0.starts_with(TEXT_PREFIX) || self.0.ends_with(TEXT_SUFFIX)
    }

    /// The version of a record whose source gives none: its order of extraction.
    ///
    /// `moment` is an id that grows with time (UUID version 7, RFC 9562). It was made before the
    /// page was requested, or when the delivery arrived. So a delivery is newer than a page that
    /// was requested before it, and a page that is read again after a crash is newer than the first
    /// reading.
    pub fn of_extraction(moment: Uuid, row: usize) -> Version {
        Version(format!("{ORDER_PREFIX}{moment}/{row:08}"))
    }

    /// The version that a source gave, with the order of extraction of `order`.
    pub fn with_extraction_order(self, order: &Version) -> Version {
        let (_, Some(order)) = order.parts() else {
            return self;
        };
        let given = self.0.strip_suffix(TEXT_SUFFIX);
        let extracted = Version(format!(
            "{}{}{order}",
            given.unwrap_or(&self.0),
            order::EXTRACTION_SEPARATOR
        ));
        if given.is_some() {
            extracted.marked_as_text()
        } else {
            extracted
        }
    }

    /// The same version, with the order of extraction of this order key.
    pub fn with_order_of_key(self, order_key: &str) -> Version {
        let Some(order) = order::extraction(order_key) else {
            return self;
        };
        let read = Version(format!(
            "{ORDER_PREFIX}{}",
            order.trim_end_matches(TEXT_SUFFIX)
        ));
        match self.source_text() {
            None => read,
            Some(given) if self.0.ends_with(TEXT_SUFFIX) => Version::new(given)
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
            .split_once(ORDERED_AS_SEPARATOR)
            .map_or(given, |(written, _)| written);
        written.strip_prefix(TEXT_PREFIX).unwrap_or(written)
    }

    /// The text that the source gave, without the order of extraction. [`Version::new`] makes the
    /// version of it again. None where the source gave none.
    pub fn source_text(&self) -> Option<&str> {
        self.parts().0
    }

    /// True where the source gave no version, so that the record has only its order of extraction.
    pub fn is_of_extraction(&self) -> bool {
        self.source_text().is_none()
    }

    /// A text that the store compares versions by ([`is_older`]). Its first character is the type.
    /// Keys of one type sort as their versions do.
    pub fn order_key(&self) -> String {
        match self.parts() {
            (None, order) => format!("{}{}", order::EXTRACTION_TYPE, order.unwrap_or_default()),
            (Some(given), None) => order::of_source_text(given),
            // The suffix stays: older releases wrote it to the ledger as a part of the order.
            (Some(given), Some(order)) => {
                let end = if self.0.ends_with(TEXT_SUFFIX) {
                    &TEXT_SUFFIX.to_string()
                } else {
                    ""
                };
                format!(
                    "{}{}{order}{end}",
                    order::of_source_text(given),
                    order::EXTRACTION_SEPARATOR
                )
            }
        }
    }

    /// True where the two have an order: they are of one type, or one is only an order of
    /// extraction and both say when they were read.
    pub fn compares_with(&self, other: &Version) -> bool {
        order::comparison(&self.order_key(), &other.order_key()).is_some()
    }

    /// True where it is older than another. False also where the two have no order.
    pub fn is_older(&self, than: &Version) -> bool {
        is_older(&self.order_key(), &than.order_key())
    }

    /// The later of two versions.
    pub fn max(self, other: Version) -> Version {
        if other.order_key() > self.order_key() {
            other
        } else {
            self
        }
    }

    /// The text that the source gave, and the order of extraction.
    fn parts(&self) -> (Option<&str>, Option<&str>) {
        let version = self.0.strip_suffix(TEXT_SUFFIX).unwrap_or(&self.0);
        match (
            version.split_once(order::EXTRACTION_SEPARATOR),
            version.strip_prefix(ORDER_PREFIX),
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
    /// The expected form, in words.
    pub fn expected(self) -> &'static str {
        match self {
            VersionType::Time => "a time with its zone (RFC 3339)",
            VersionType::Number => "a number",
            VersionType::Text => "text",
        }
    }
}
