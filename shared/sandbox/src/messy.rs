//! The forms in which people type e-mail addresses, phone numbers, amounts and consent.

use crate::{dice::SeededDice, names::*};

const SPACES: [&str; 4] = [" ", "\u{a0}", "\u{202f}", ""];

/// The address without diacritics, in lower, upper or mixed case.
pub(crate) fn email(dice: &mut SeededDice, address: &str) -> String {
    let address: String = address.chars().map(without_diacritics).collect();
    match dice.below(20) {
        0..8 => address.to_lowercase(),
        8..18 => address,
        18 => address.to_uppercase(),
        _ => format!(" {address} "),
    }
}

fn without_diacritics(letter: char) -> char {
    const POLISH: &str = "ąćęłńóśźżĄĆĘŁŃÓŚŹŻ";
    const PLAIN: &str = "acelnoszzACELNOSZZ";
    let place = POLISH.chars().position(|polish| polish == letter);
    place
        .and_then(|place| PLAIN.chars().nth(place))
        .unwrap_or(letter)
}

/// A valid phone number in any of many formats; rarely none at all.
pub(crate) fn phone(dice: &mut SeededDice, area: &str) -> String {
    let (a, b, c) = (
        dice.pick(&MOBILE) + dice.below(100),
        dice.below(1000),
        dice.below(1000),
    );
    let (d, e) = (dice.below(100), dice.below(100));
    match dice.below(24) {
        0..5 => format!("+48 {a} {b:03} {c:03}"),
        5..10 => format!("{a}-{b:03}-{c:03}"),
        10..13 => format!("({area}) {b:03} {d:02} {e:02}"),
        13..16 => format!("0048{a}{b:03}{c:03}"),
        16..19 => format!("48 {a}{b:03}{c:03}"),
        19 => format!("{a}{b:03}{c:03}"),
        20 => format!("+48 ({area}) {b:03}-{d:02}-{e:02}"),
        21 => format!("tel. {a} {b:03} {c:03}"),
        22 => format!("+49 30 {a}{c:03}"),
        _ => String::new(),
    }
}

/// The hundreds that Polish mobile numbers begin with.
const MOBILE: [u64; 4] = [500, 600, 700, 800];

/// An amount under `limit` hundredths: `1 234,56`.
pub(crate) fn amount(dice: &mut SeededDice, limit: u64) -> String {
    let hundredths = dice.below(limit);
    let cents = if dice.one_in(3) {
        hundredths % 10 * 10
    } else {
        hundredths % 100
    };
    format!(
        "{},{cents:02}",
        grouped(hundredths / 100, dice.pick(&SPACES))
    )
}

fn grouped(number: u64, space: &str) -> String {
    if number < 1000 {
        return number.to_string();
    }
    format!(
        "{}{space}{:03}",
        grouped(number / 1000, space),
        number % 1000
    )
}

/// Yes or no in one of many words, or nothing.
pub(crate) fn flag(dice: &mut SeededDice) -> Option<String> {
    match dice.below(10) {
        0 => None,
        1..6 => Some(dice.pick(&YES).to_owned()),
        _ => Some(dice.pick(&NO).to_owned()),
    }
}

/// A Polish tax number, whose last digit checks the others.
pub(crate) fn nip(dice: &mut SeededDice) -> String {
    let digits = loop {
        let body = dice.between(101_000_000, 998_999_999);
        if let Some(check) = nip_check(body) {
            break format!("{body}{check}");
        }
    };
    match dice.below(3) {
        0 => digits,
        1 => format!("PL{digits}"),
        _ => format!(
            "{}-{}-{}-{}",
            &digits[..3],
            &digits[3..6],
            &digits[6..8],
            &digits[8..]
        ),
    }
}

fn nip_check(body: u64) -> Option<u64> {
    const WEIGHTS: [u64; 9] = [7, 6, 5, 4, 3, 2, 7, 5, 6];
    let digits = (0..9u32).map(|place| body / 10u64.pow(place) % 10);
    let sum: u64 = digits
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit * weight)
        .sum();
    (sum % 11 < 10).then_some(sum % 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_of_a_tax_number_is_right() {
        assert_eq!(nip_check(526_025_027), Some(4));
        assert_eq!(nip_check(123_456_321), Some(8));
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(1_002_034, " "), "1 002 034");
        assert_eq!(grouped(999, " "), "999");
    }
}
