//! What orders the changes of one key.

mod order;

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

    /// The version of a record whose source gives none: the order of extraction. Its `moment` is an id
    /// that grows with time (UUID version 7, RFC 9562): of when its page was asked for, or of when it
    /// arrived where its source delivered it. So what is delivered after a page was asked for is newer
    /// than the page, and whoever reads a page again after a crash reads it later than who read it before.
    pub fn of_extraction(moment: Uuid, row: usize) -> Version {
        Version(format!("{ORDER}{moment}/{row:08}"))
    }

    /// The version that a source gave of a record which has this place in the order of extraction.
    pub fn extracted(self, order: &Version) -> Version {
        match order.parts() {
            (_, Some(order)) => Version(format!("{}{}{order}", self.0, order::EXTRACTED)),
            (_, None) => self,
        }
    }

    /// The text as the source wrote it.
    pub fn as_str(&self) -> &str {
        self.given().map_or(&self.0, |given| given.strip_prefix(TEXT).unwrap_or(given))
    }

    /// What the source gave, without the order of extraction: the text of which [`Version::new`] makes the
    /// version again. None where it gave nothing.
    pub fn given(&self) -> Option<&str> {
        self.parts().0
    }

    /// Whether it is the order of extraction, which the record has for want of a version.
    pub fn is_of_extraction(&self) -> bool {
        self.given().is_none()
    }

    /// A text by which the store compares versions ([`is_older`]): among those of one type, which its
    /// first character names, its byte order is theirs.
    pub fn order_key(&self) -> String {
        match self.parts() {
            (None, order) => format!("{}{}", order::OF_EXTRACTION, order.unwrap_or_default()),
            (Some(given), None) => order::of_given(given),
            (Some(given), Some(order)) => format!("{}{}{order}", order::of_given(given), order::EXTRACTED),
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
        if other.order_key() > self.order_key() { other } else { self }
    }

    /// What the source gave, and the order of extraction.
    fn parts(&self) -> (Option<&str>, Option<&str>) {
        match (self.0.split_once(order::EXTRACTED), self.0.strip_prefix(ORDER)) {
            (Some((given, order)), _) => (Some(given), Some(order)),
            (None, Some(order)) => (None, Some(order)),
            (None, None) => (Some(&self.0), None),
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
    fn a_number_with_an_exponent_is_the_number_that_it_stands_for() {
        let same = |one: &str, other: &str| {
            assert_eq!(Version::new(one).order_key(), Version::new(other).order_key(), "{one} and {other}");
        };
        same("1.7647E9", "1764700000");
        same("1.764700000123456789e+9", "1764700000.123456789");
        same("-25E-1", "-2.5");
        same("25e-4", "0.0025");
        same("0E9", "0");
        assert!(in_order(&["-1E3", "-9.99e2", "9.99E-5", "999999999", "1.0E9", "1000000001", "1e308"]));
        assert_eq!(Version::of_type("1.7647E9", VersionType::Number), Some(Version::new("1.7647E9")));
    }

    #[test]
    fn what_is_no_number_for_its_exponent_is_text() {
        for text in ["1e", "e9", "1e9e9", "1e1.5", "1e-", "1e 9", "1e1001", "1e99999999999"] {
            assert_eq!(Version::of_type(text, VersionType::Number), None, "{text}");
        }
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
        assert_eq!(Version::new(version.given().unwrap()), version);
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
    fn moments() -> [Uuid; 2] {
        [Uuid::now_v7(), Uuid::now_v7()]
    }

    fn read(text: &str, moment: Uuid, row: usize) -> Version {
        Version::new(text).extracted(&Version::of_extraction(moment, row))
    }

    #[test]
    fn of_equal_versions_the_one_read_later_is_newer() {
        let [first, second] = moments();
        for text in ["10", "-1.5", "2026-01-01T00:00:00Z", "rev"] {
            assert!(read(text, first, 0).is_older(&read(text, first, 1)), "{text}");
            assert!(read(text, first, 9).is_older(&read(text, second, 0)), "{text}");
            assert!(Version::new(text).is_older(&read(text, first, 0)), "{text}");
            assert!(!read(text, first, 0).is_older(&read(text, first, 0)), "{text}");
        }
    }

    #[test]
    fn a_version_decides_before_the_order_of_extraction() {
        let [first, second] = moments();
        let versions = ["-1.25", "-1.2", "1", "1.5", "10", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.1Z"];
        for pair in versions.windows(2) {
            let (older, newer) = (read(pair[0], second, 0), read(pair[1], first, 0));
            assert_eq!(older.is_older(&newer), older.compares_with(&newer), "{pair:?}");
        }
        assert!(read("a", second, 0).is_older(&read("ab", first, 0)));
    }

    #[test]
    fn an_order_of_extraction_compares_with_every_version_that_says_when_it_was_read() {
        let [first, second] = moments();
        for text in ["10", "2026-01-01T00:00:00Z", "rev"] {
            let (version, deletion) = (read(text, first, 0), Version::of_extraction(second, 0));
            assert!(version.is_older(&deletion) && !deletion.is_older(&version));
            assert!(Version::of_extraction(first, 0).is_older(&read(text, second, 0)));
            assert!(!Version::new(text).compares_with(&deletion) && !Version::new(text).is_older(&deletion));
        }
    }

    #[test]
    fn changes_that_were_read_in_another_order_than_that_of_their_versions_wait_in_no_circle() {
        let [first, second] = moments();
        let keys = [read("2", first, 0), Version::of_extraction(first, 1), read("1", second, 0)]
            .map(|v| v.order_key());
        let [newer, deletion, late] = &keys;
        assert!(waits_for(newer, late) && waits_for(deletion, newer) && !waits_for(late, deletion));
    }

    #[test]
    fn a_version_shows_as_it_was_written_and_travels_with_its_order_of_extraction() {
        let version = read("10", Uuid::now_v7(), 7);
        assert_eq!((version.as_str(), version.given()), ("10", Some("10")));
        let message = serde_json::to_string(&version).unwrap();
        assert_eq!(serde_json::from_str::<Version>(&message).unwrap(), version);
    }
}
