//! Order keys: texts by which the store compares versions.

use jiff::Timestamp;

use super::{ORDERED_AS, TEXT};

/// The longest exponent of a number, either way: beyond those of doubles (308), and short when it is
/// written out.
const LONGEST_EXPONENT: u32 = 1000;

/// What stands before the order of extraction that ends a version or its order key. It is less than what
/// versions are made of, so that `1` is under `1.5` whenever they were read. No source has control
/// characters in its versions.
pub(super) const EXTRACTED: char = '\u{1}';

/// The first character of the key of a version that is nothing but an order of extraction.
pub(super) const OF_EXTRACTION: char = 'e';

/// Whether one order key is of an older version than another. Those of one type (the first character)
/// compare as they are; with any other type, an order of extraction compares by when both were read, where
/// both say so. Others have no order.
pub fn is_older(key: &str, than: &str) -> bool {
    match compares(key, than) {
        Some(Comparison::AsTheyAre) => key < than,
        Some(Comparison::ByExtraction) => extraction(key) < extraction(than),
        None => false,
    }
}

/// Whether a change of the version of this order key waits for another of its key. It waits for those that
/// are older; but what has a version of its source waits for no order of extraction, or changes that were
/// read in another order than that of their versions could wait for each other in a circle.
pub fn waits_for(key: &str, other: &str) -> bool {
    let is_of_extraction = |key: &str| key.starts_with(OF_EXTRACTION);
    is_older(other, key) && (is_of_extraction(key) || !is_of_extraction(other))
}

/// Whether the record of this order key was read before that of another. One that does not say when was read
/// before those that do.
pub fn was_read_before(key: &str, other: &str) -> bool {
    extraction(key) < extraction(other)
}

pub(super) enum Comparison {
    AsTheyAre,
    ByExtraction,
}

/// How two order keys compare, if they do.
pub(super) fn compares(one: &str, other: &str) -> Option<Comparison> {
    let (kind, other_kind) = (one.chars().next(), other.chars().next());
    if kind == other_kind {
        return Some(Comparison::AsTheyAre);
    }
    let has_order_of_extraction = [kind, other_kind].contains(&Some(OF_EXTRACTION));
    let both_say = extraction(one).is_some() && extraction(other).is_some();
    (has_order_of_extraction && both_say).then_some(Comparison::ByExtraction)
}

pub(super) fn extraction(key: &str) -> Option<&str> {
    key.strip_prefix(OF_EXTRACTION)
        .or_else(|| Some(key.split_once(EXTRACTED)?.1))
}

/// The order key of a version that a source gave.
pub(super) fn of_given(text: &str) -> String {
    let text = text
        .split_once(ORDERED_AS)
        .map_or(text, |(_, ordered_as)| ordered_as);
    of_text(text)
        .or_else(|| of_number(text))
        .or_else(|| of_time(text))
        .unwrap_or_else(|| format!("s{text}"))
}

fn of_text(text: &str) -> Option<String> {
    text.strip_prefix(TEXT).map(|text| format!("s{text}"))
}

/// RFC 3339 times in any zone become the same instant in UTC, nanoseconds spelled out.
pub(super) fn of_time(text: &str) -> Option<String> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    Some(format!("t{time:.9}"))
}

/// Decimal numbers of any length: the number of whole digits goes first, so that `9` is under `10`.
/// A negative number counts down from there, digit by digit.
pub(super) fn of_number(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = written_out(digits)?;
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let magnitude = format!("{:08}{whole}.{fraction}", whole.len());
    Some(match (negative, whole.is_empty() && fraction.is_empty()) {
        (true, false) => format!("n-{}~", complement(&magnitude)),
        _ => format!("n0{magnitude}"),
    })
}

/// The digits before and after the point of a number, which may have an exponent: `1.7647E9` is `1764700000`.
fn written_out(number: &str) -> Option<(String, String)> {
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

fn complement(digits: &str) -> String {
    let nines = |byte: u8| {
        if byte.is_ascii_digit() {
            (b'0' + b'9' - byte) as char
        } else {
            byte as char
        }
    };
    digits.bytes().map(nines).collect()
}
