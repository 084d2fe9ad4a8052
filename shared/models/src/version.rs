//! What orders the changes of one key.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version of a record, or the value of a cursor: a time, a number or text, told apart by its
/// look where its flow does not say which, and kept as the source wrote it.
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

impl Version {
    /// The version a source gave.
    pub fn new(text: impl Into<String>) -> Version {
        Version(text.into())
    }

    /// The version a source gave, of a type that its flow names; none where it is not of that type.
    pub fn of_type(text: &str, expected: VersionType) -> Option<Version> {
        match expected {
            VersionType::Time => order_of_time(text).map(|_| Version::new(text)),
            VersionType::Number => order_of_number(text).map(|_| Version::new(text)),
            VersionType::Text => Some(Version(format!("{TEXT}{text}"))),
        }
    }

    /// The version of a record whose source gives none: the order of extraction. Its `moment` is an id
    /// that grows with time (UUID version 7, RFC 9562): of when its page was asked for, or of when it
    /// arrived where its source delivered it. So what is delivered after a page was asked for is newer
    /// than the page, and whoever reads a page again after a crash reads it later than who read it before.
    pub fn of_extraction(moment: Uuid, row: usize) -> Version {
        Version(format!("@{moment}/{row:08}"))
    }

    /// The text as the source wrote it.
    pub fn as_str(&self) -> &str {
        self.0.strip_prefix(TEXT).unwrap_or(&self.0)
    }

    /// The text of which [`Version::new`] makes this very version again.
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// Whether it is the order of extraction, which the record has for want of a version.
    pub fn is_of_extraction(&self) -> bool {
        self.0.starts_with('@')
    }

    /// A text whose byte order is the order of the versions, whatever their type: what the store
    /// compares. Its first character names the type; keys of different types do not compare.
    pub fn order_key(&self) -> String {
        order_of_extraction(&self.0)
            .or_else(|| order_of_text(&self.0))
            .or_else(|| order_of_number(&self.0))
            .or_else(|| order_of_time(&self.0))
            .unwrap_or_else(|| format!("s{}", self.0))
    }

    /// Whether the two are of one type: both times, both numbers, both text, or both of extraction.
    /// Others have no order that means anything.
    pub fn compares_with(&self, other: &Version) -> bool {
        self.order_key().as_bytes().first() == other.order_key().as_bytes().first()
    }

    /// The later of two.
    pub fn max(self, other: Version) -> Version {
        if other.order_key() > self.order_key() { other } else { self }
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

fn order_of_text(text: &str) -> Option<String> {
    text.strip_prefix(TEXT).map(|text| format!("s{text}"))
}

fn order_of_extraction(text: &str) -> Option<String> {
    text.strip_prefix('@').map(|order| format!("e{order}"))
}

/// RFC 3339 times in any zone become the same instant in UTC, nanoseconds spelled out.
fn order_of_time(text: &str) -> Option<String> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    Some(format!("t{time:.9}"))
}

/// Decimal numbers of any length: the number of whole digits goes first, so that `9` is under `10`.
/// A negative number counts down from there, digit by digit.
fn order_of_number(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_decimal(whole) || !is_decimal(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let magnitude = format!("{:08}{whole}.{fraction}", whole.len());
    Some(match (negative, whole.is_empty() && fraction.is_empty()) {
        (true, false) => format!("n-{}~", complement(&magnitude)),
        _ => format!("n0{magnitude}"),
    })
}

fn complement(digits: &str) -> String {
    let nines = |byte: u8| if byte.is_ascii_digit() { (b'0' + b'9' - byte) as char } else { byte as char };
    digits.bytes().map(nines).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn in_order(versions: &[&str]) -> bool {
        let keys: Vec<String> = versions.iter().map(|text| Version::new(*text).order_key()).collect();
        keys.windows(2).all(|pair| pair[0] < pair[1])
    }

    #[test]
    fn numbers_compare_as_numbers_whatever_their_length() {
        assert!(in_order(&["-10.5", "-10", "-9", "-0.5", "0", "0.25", "9", "9.5", "10", "9007199254740993"]));
    }

    #[test]
    fn the_same_number_written_twice_is_the_same_version() {
        assert_eq!(Version::new("1.10").order_key(), Version::new("01.1").order_key());
        assert_eq!(Version::new("-0").order_key(), Version::new("0").order_key());
    }

    #[test]
    fn times_compare_as_instants_whatever_their_zone() {
        assert!(in_order(&["2026-01-01T00:30:00+02:00", "2025-12-31T22:30:00.5Z", "2025-12-31T23:00:00Z",]));
    }

    #[test]
    fn anything_else_compares_as_text() {
        assert!(in_order(&["2026-01-01 10:00:00", "2026-01-01 10:00:01", "rev-b"]));
    }

    #[test]
    fn a_declared_type_decides_how_versions_compare() {
        let of = |text, expected| Version::of_type(text, expected).map(|version| version.order_key());
        assert!(of("9", VersionType::Number) < of("10", VersionType::Number));
        assert!(of("10", VersionType::Text) < of("9", VersionType::Text));
        assert_eq!(of("2026-01-01", VersionType::Time), None);
        assert_eq!(of("10a", VersionType::Number), None);
    }

    #[test]
    fn a_version_of_declared_text_is_the_same_after_it_was_stored_and_shows_as_it_was_written() {
        let version = Version::of_type("10", VersionType::Text).unwrap();
        assert_eq!(Version::new(version.as_stored()), version);
        assert_eq!(version.as_str(), "10");
        assert_eq!(version.order_key(), "s10");
    }

    #[test]
    fn only_versions_of_one_type_compare() {
        let compare = |one: &str, other: &str| Version::new(one).compares_with(&Version::new(other));
        assert!(
            compare("1", "2.5")
                && compare("a", "")
                && compare("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+02:00")
        );
        assert!(
            !compare("1", "a")
                && !compare("1", "2026-01-01T00:00:00Z")
                && !compare("2026-01-01", "2026-01-01T00:00:00Z")
        );
    }

    #[test]
    fn without_a_version_the_order_of_extraction_decides() {
        let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
        let earlier = Version::of_extraction(first, 9).order_key();
        assert!(earlier < Version::of_extraction(first, 10).order_key());
        assert!(earlier < Version::of_extraction(second, 0).order_key());
    }
}
