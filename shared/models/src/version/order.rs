//! Order keys: texts that the store compares versions by.

use jiff::Timestamp;

use super::{ORDERED_AS_SEPARATOR, TEXT_PREFIX};

/// The largest exponent of a number, positive or negative: beyond the exponents of doubles (308),
/// and still short when it is written out.
const LONGEST_EXPONENT: u32 = 1000;

/// Begins the order of extraction at the end of a version or an order key. It sorts before
/// everything that versions are made of, so that `1` sorts before `1.5` whenever they were read.
/// Sources have no control characters in their versions.
pub(super) const EXTRACTION_SEPARATOR: char = '\u{1}';

/// The first character of the order key of a version that is only an order of extraction.
pub(super) const EXTRACTION_TYPE: char = 'e';

/// True where the first order key belongs to an older version than the second.
///
/// Keys of one type compare as they are. An order of extraction compares with a key of any other
/// type by when both were read, where both say so. Other keys have no order.
pub fn is_older(key: &str, than: &str) -> bool {
    match comparison(key, than) {
        Some(Comparison::Directly) => key < than,
        Some(Comparison::ByExtraction) => extraction(key) < extraction(than),
        None => false,
    }
}

/// True where the change with this order key has to wait for another change of its key.
///
/// A change waits for the older ones. But a change with a version of its source does not wait for a
/// change without one: otherwise changes that were read in another order than that of their
/// versions could wait for each other in a circle.
pub fn waits_for(key: &str, other: &str) -> bool {
    let is_of_extraction = |key: &str| key.starts_with(EXTRACTION_TYPE);
    is_older(other, key) && (is_of_extraction(key) || !is_of_extraction(other))
}

/// True where the record of the first order key was read before the record of the second. A key
/// that does not say when sorts first.
pub fn was_read_before(key: &str, other: &str) -> bool {
    extraction(key) < extraction(other)
}

/// The way in which two order keys compare.
pub(super) enum Comparison {
    Directly,
    ByExtraction,
}

/// The way in which two order keys compare. None where they have no order.
pub(super) fn comparison(one: &str, other: &str) -> Option<Comparison> {
    let (kind, other_kind) = (one.chars().next(), other.chars().next());
    if kind == other_kind {
        return Some(Comparison::Directly);
    }
    let has_order_of_extraction = [kind, other_kind].contains(&Some(EXTRACTION_TYPE));
    let both_say = extraction(one).is_some() && extraction(other).is_some();
    (has_order_of_extraction && both_say).then_some(Comparison::ByExtraction)
}

pub(super) fn extraction(key: &str) -> Option<&str> {
    key.strip_prefix(EXTRACTION_TYPE)
        .or_else(|| Some(key.split_once(EXTRACTION_SEPARATOR)?.1))
}

/// The order key of a version that a source gave.
pub(super) fn of_source_text(text: &str) -> String {
    let text = text
        .split_once(ORDERED_AS_SEPARATOR)
        .map_or(text, |(_, ordered_as)| ordered_as);
    of_text(text)
        .or_else(|| of_number(text))
        .or_else(|| of_time(text))
        .unwrap_or_else(|| format!("s{text}"))
}

fn of_text(text: &str) -> Option<String> {
    text.strip_prefix(TEXT_PREFIX)
        .map(|text| format!("s{text}"))
}

/// The order key of a time: the instant in UTC with nine decimals, so that zones do not matter.
pub(super) fn of_time(text: &str) -> Option<String> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    Some(format!("t{time:.9}"))
}

/// The order key of a decimal number of any length. The number of its whole digits goes first, so
/// that `9` sorts before `10`. The digits of negative numbers are complemented, so that they sort
/// downwards.
pub(super) fn of_number(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = expanded_digits(digits)?;
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let magnitude = format!("{:08}{whole}.{fraction}", whole.len());
    // `~` sorts after all digits, so that -1.5 sorts before -1.
    Some(match (negative, whole.is_empty() && fraction.is_empty()) {
        (true, false) => format!("n-{}~", complement_digits(&magnitude)),
        _ => format!("n0{magnitude}"),
    })
}

/// The digits before and after the decimal point of a number, which may have an exponent:
/// `1.7647E9` gives `1764700000`.
fn expanded_digits(number: &str) -> Option<(String, String)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_decimal(whole) || !is_decimal(fraction) {
        return None;
    }
    let exponent = exponent
        .parse::<i32>()
        .ok()
        .filter(|exponent| exponent.unsigned_abs() <= LONGEST_EXPONENT)?;
    let zeros = |count: usize| "0".repeat(count);
    let places = exponent.unsigned_abs() as usize;
    let digits = match exponent < 0 {
        true => format!("{}{whole}{fraction}", zeros(places)),
        false => format!("{whole}{fraction}{}", zeros(places)),
    };
    let point = if exponent < 0 {
        whole.len()
    } else {
        whole.len() + places
    };
    let (whole, fraction) = digits.split_at(point);
    Some((whole.to_owned(), fraction.to_owned()))
}

fn complement_digits(digits: &str) -> String {
    let nines = |byte: u8| {
        if byte.is_ascii_digit() {
            (b'0' + b'9' - byte) as char
        } else {
            byte as char
        }
    };
    digits.bytes().map(nines).collect()
}
