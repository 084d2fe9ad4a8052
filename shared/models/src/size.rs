//! Amounts of bytes as users write them.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

/// An amount of bytes: a whole number and a unit, `512KiB`, `64MiB` or `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Nine digits of GiB are far from any overflow.
const PATTERN: &str = "^[0-9]{1,9}(KiB|MiB|GiB)$";

impl FromStr for ByteSize {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<ByteSize, ParseSizeError> {
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .ok_or(ParseSizeError)?;
        let number: u64 = text[..digits].parse().map_err(|_| ParseSizeError)?;
        let unit = match &text[digits..] {
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(ParseSizeError),
        };
        number.checked_mul(unit).map(ByteSize).ok_or(ParseSizeError)
    }
}

/// The text is not an amount of bytes.
#[derive(Debug, thiserror::Error)]
#[error("expected a number and a unit: 512KiB, 64MiB or 1GiB")]
pub struct ParseSizeError;

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "patternErrorMessage": "expected a number and a unit: 512KiB, 64MiB or 1GiB",
            "description": "A number and a unit: 512KiB, 64MiB or 1GiB.",
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % (1 << 30) == 0 => write!(f, "{} GiB", bytes >> 30),
            bytes if bytes % (1 << 20) == 0 => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes % (1 << 10) == 0 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_a_size() {
        let bytes = |text: &str| text.parse::<ByteSize>().map(|size| size.0).ok();
        assert_eq!(bytes("1KiB"), Some(1024));
        assert_eq!(bytes("512KiB"), Some(524_288));
        assert_eq!(bytes("1MiB"), Some(1_048_576));
        assert_eq!(bytes("64MiB"), Some(67_108_864));
        assert_eq!(bytes("2GiB"), Some(2_147_483_648));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "1",
            "5",
            "MiB",
            "1 MiB",
            "5 MiB",
            "-1MiB",
            "-5MiB",
            "1.5MiB",
            "1MB",
            "5MB",
            "5m",
            "99999999999999999999MiB",
            "99999999999999999999GiB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_in_its_largest_whole_unit() {
        let shown = [
            ByteSize(1 << 30),
            ByteSize(3 << 19),
            ByteSize(5),
            ByteSize(0),
        ]
        .map(|size| size.to_string());
        assert_eq!(shown, ["1 GiB", "1536 KiB", "5 bytes", "0 GiB"]);
    }
}
