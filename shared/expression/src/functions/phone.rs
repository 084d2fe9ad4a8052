//! Phone numbers.
//!
//! phonelib reads them, and knows every length that a number of a country can have. Its lengths
//! include those of pagers and hotlines: a Polish mobile number that lacks a digit would pass. So
//! mobile and fixed-line numbers are checked against the lengths of their own kind.

use std::{collections::HashMap, sync::LazyLock};

use jaq_core::{Error, ValR};
use phonelib::{PhoneNumber, PhoneNumberType};

use super::string;
use crate::Value;

pub(super) const NO_REGION: &str = "expected a region's code of ISO 3166-1, such as PL";
pub(super) const NO_PHONE: &str =
    "expected a phone number as long as those of its country are, without an extension";

/// The lengths of mobile and of fixed-line numbers in each region, and their source.
const LENGTHS: &str = include_str!("phones.tsv");

/// The number in E.164, or an error. The region is used for numbers without a country's code.
pub(super) fn phone(value: &Value, region: &Value) -> ValR<Value> {
    let (value, region) = (string(value)?, string(region)?);
    if !is_region(&region) {
        return Err(Error::str(NO_REGION));
    }
    let number = PhoneNumber::try_parse_with_country(&value, &region.to_ascii_uppercase()).ok();
    // phonelib passes over a letter here and there.
    let number = number.filter(|_| !value.contains(char::is_alphabetic));
    // E.164 has no place for an extension, and to drop it would be to lose it.
    let number =
        number.filter(|number| number.extension().is_none() && is_as_long_as_its_kind(number));
    number
        .map(|number| number.e164().to_owned().into())
        .ok_or_else(|| Error::str(NO_PHONE))
}

/// True where a text is the code of a region, in upper or lower case.
pub(super) fn is_region(code: &str) -> bool {
    code.len() == 2 && phonelib::country_by_code(&code.to_ascii_uppercase()).is_some()
}

fn is_as_long_as_its_kind(number: &PhoneNumber) -> bool {
    let Some([mobile, fixed]) = lengths().get(number.country().code) else {
        return true;
    };
    let has =
        |lengths: &[usize]| lengths.is_empty() || lengths.contains(&number.national_number().len());
    match number.phone_type() {
        PhoneNumberType::Mobile => has(mobile),
        PhoneNumberType::FixedLine => has(fixed),
        PhoneNumberType::FixedLineOrMobile => has(mobile) || has(fixed),
        _ => true,
    }
}

fn lengths() -> &'static HashMap<&'static str, [Vec<usize>; 2]> {
    static BY_REGION: LazyLock<HashMap<&'static str, [Vec<usize>; 2]>> = LazyLock::new(|| {
        let regions = LENGTHS.lines().filter(|line| !line.starts_with('#'));
        regions.filter_map(lengths_in).collect()
    });
    &BY_REGION
}

fn lengths_in(line: &'static str) -> Option<(&'static str, [Vec<usize>; 2])> {
    let (region, lengths) = line.split_once('\t')?;
    let (mobile, fixed) = lengths.split_once('\t')?;
    let numbers = |text: &str| {
        text.split(' ')
            .filter_map(|number| number.parse().ok())
            .collect()
    };
    Some((region, [numbers(mobile), numbers(fixed)]))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{gives, refusal},
        *,
    };

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let cases = [
            ("PL", "600 100 200", "+48600100200"),
            ("PL", "+48 600-100-200", "+48600100200"),
            ("PL", "0048600100200", "+48600100200"),
            ("pl", "(22) 123 45 67", "+48221234567"),
            ("PL", "800 123 456", "+48800123456"),
            ("DE", "030 123456", "+4930123456"),
            ("DE", "+48 600 100 200", "+48600100200"),
            ("GB", "020 7946 0958", "+442079460958"),
            ("US", "(202) 555-0173", "+12025550173"),
            ("IT", "06 698 1234", "+39066981234"),
        ];
        for (region, number, e164) in cases {
            assert_eq!(
                gives(&format!("{number:?} | phone({region:?})")),
                Ok(format!("{e164:?}")),
                "{number}"
            );
        }
    }

    #[test]
    fn numbers_have_a_length_that_numbers_of_their_kind_and_country_have() {
        let refused = [
            "",
            "600 100 20",
            "600 100 2000",
            "22 123 45 6",
            "22 123 45 678",
            "+48 600 100 20",
            "+49 30 1",
            "+1 202 555 017",
            "call me",
            "600100200x",
            "22 123 45 67 ext. 5",
        ];
        for number in refused {
            assert_eq!(
                refusal(&format!("{number:?} | phone(\"PL\")")),
                NO_PHONE,
                "{number}"
            );
        }
        assert_eq!(refusal(r#""600100200" | phone("Z" + "Z")"#), NO_REGION);
        assert_eq!(
            refusal("600100200 | phone(\"PL\")"),
            "cannot use a number as string"
        );
    }

    #[test]
    fn every_line_of_lengths_is_read() {
        assert!(lengths().len() > 200, "{}", lengths().len());
        for (region, kinds) in lengths() {
            assert!(is_region(region), "{region}");
            assert!(
                kinds
                    .iter()
                    .flatten()
                    .all(|length| (2..=15).contains(length)),
                "{region}"
            );
        }
        assert_eq!(lengths()["PL"], [vec![9], vec![7, 9]]);
    }
}
