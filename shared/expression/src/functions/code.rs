//! Functions of codes that everybody agrees on: countries, currencies, phone numbers.

use std::{collections::HashMap, sync::LazyLock};

use bigdecimal::BigDecimal;
use iso_currency::Currency;
use jaq_core::{
    Error, ValR,
    native::{Fun, bome, run, v},
};

use super::{
    AddedFunction, BoundedData, FunctionSubject,
    number::exact_number,
    phone::{NO_PHONE, NO_REGION, is_region, phone},
    string,
    text::in_ascii,
};
use crate::{Value, decimal::shortest};

pub(super) const SUBJECT: FunctionSubject = FunctionSubject {
    title: "Codes",
    functions: &FUNCTIONS,
    natives,
    messages: &[
        NO_COUNTRY,
        NO_CURRENCY,
        NO_MINOR_UNITS,
        NO_WHOLE,
        NO_REGION,
        NO_PHONE,
    ],
    messages_about: &[],
    check,
};

const FUNCTIONS: [AddedFunction; 5] = [
    AddedFunction {
        name: "country",
        description: "The two letters of ISO 3166-1 for a country: its name in Polish, English or German, with or \
                      without diacritics, its two letters or its three.",
        example: r#"["Niemcy", "Deutschland", "germany", "DEU", "de"] | map(country) | unique"#,
        gives: r#"["DE"]"#,
    },
    AddedFunction {
        name: "currency",
        description: "The code of ISO 4217 that a text is, in capitals. Codes that were replaced are known too.",
        example: r#"" pln" | currency"#,
        gives: r#""PLN""#,
    },
    AddedFunction {
        name: "minor_units($currency)",
        description: "An amount of money in the smallest unit of its currency (ISO 4217). An amount with parts of \
                      that is an error: round it first.",
        example: r#"[12.5 | minor_units("PLN", "BHD")]"#,
        gives: "[1250,12500]",
    },
    AddedFunction {
        name: "from_minor_units($currency)",
        description: "The way back: an amount from the number of the smallest units of its currency.",
        example: r#"[1250 | from_minor_units("PLN", "JPY")]"#,
        gives: "[12.5,1250]",
    },
    AddedFunction {
        name: "phone($region)",
        description: "A phone number in E.164. The region (two letters) is for numbers without a country's code. \
                      Its length has to be one that mobile or fixed-line numbers of the country have.",
        example: r#"["600 100 200", "(22) 123-45-67", "0049 30 123456"] | map(phone("PL"))"#,
        gives: r#"["+48600100200","+48221234567","+4930123456"]"#,
    },
];

const NO_COUNTRY: &str =
    "expected a country: its name in Polish, English or German, or its code of ISO 3166-1";
const NO_CURRENCY: &str = "expected a currency's code of ISO 4217, such as PLN";
const NO_MINOR_UNITS: &str = "expected an amount without parts of the currency's smallest unit";
const NO_WHOLE: &str = "expected a whole number of the currency's smallest units";

/// The names and codes of each country, and where they are from.
const COUNTRIES: &str = include_str!("countries.tsv");

fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("country", v(0), |cv| bome(country(&cv.1)))),
        run(("currency", v(0), |cv| {
            bome(currency(&cv.1).map(|currency| currency.code().to_owned().into()))
        })),
        run(("minor_units", v(1), |mut cv| {
            bome(minor_units(&cv.1, &cv.0.pop_var()))
        })),
        run(("from_minor_units", v(1), |mut cv| {
            bome(from_minor_units(&cv.1, &cv.0.pop_var()))
        })),
        run(("phone", v(1), |mut cv| bome(phone(&cv.1, &cv.0.pop_var())))),
    ]
}

fn country(value: &Value) -> ValR<Value> {
    let code = by_name().get(&*plain(&string(value)?));
    code.map(|code| (*code).to_owned().into())
        .ok_or_else(|| Error::str(NO_COUNTRY))
}

/// The two letters of every country by all its codes and names, written plainly.
fn by_name() -> &'static HashMap<String, &'static str> {
    static BY_NAME: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
        let countries = COUNTRIES.lines().filter(|line| !line.starts_with('#'));
        countries
            .flat_map(|line| line.split('\t').map(move |name| (plain(name), &line[..2])))
            .collect()
    });
    &BY_NAME
}

/// A name without what people write in more ways than one: case, diacritics, spaces and signs.
fn plain(name: &str) -> String {
    let name = in_ascii(name).unwrap_or_default().to_ascii_lowercase();
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "")
}

fn currency(value: &Value) -> Result<Currency, Error<Value>> {
    let code = string(value)?.trim().to_ascii_uppercase();
    Currency::from_code(&code).ok_or_else(|| Error::str(NO_CURRENCY))
}

/// The decimal places of a currency; special ones, such as gold, have none.
fn decimal_places(value: &Value) -> Result<i64, Error<Value>> {
    currency(value)?
        .exponent()
        .map(i64::from)
        .ok_or_else(|| Error::str(NO_CURRENCY))
}

fn minor_units(value: &Value, currency: &Value) -> ValR<Value> {
    let units = shifted(exact_number(value)?, -decimal_places(currency)?);
    if units.is_integer() {
        shortest(&units)
    } else {
        Err(Error::str(NO_MINOR_UNITS))
    }
}

fn from_minor_units(value: &Value, currency: &Value) -> ValR<Value> {
    let units = exact_number(value)?;
    if !units.is_integer() {
        return Err(Error::str(NO_WHOLE));
    }
    shortest(&shifted(units, decimal_places(currency)?))
}

/// The number with its point so many places further left.
fn shifted(number: BigDecimal, places: i64) -> BigDecimal {
    let (digits, scale) = number.into_bigint_and_scale();
    BigDecimal::new(digits, scale + places)
}

fn check(function: &str, arguments: &[Option<String>]) -> Result<(), String> {
    let [Some(code)] = arguments else {
        return Ok(());
    };
    let is_currency = || Currency::from_code(&code.trim().to_ascii_uppercase()).is_some();
    match function {
        "phone" if !is_region(code) => Err(format!("'{code}' is no region's code of ISO 3166-1")),
        "minor_units" | "from_minor_units" if !is_currency() => {
            Err(format!("'{code}' is no currency's code of ISO 4217"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{gives, refusal},
        *,
    };

    #[test]
    fn countries_are_known_by_what_people_call_them() {
        let cases = [
            (
                "PL",
                "Polska|poland|Polen|POL|pl|Rzeczpospolita Polska|RP| polska ",
            ),
            (
                "GB",
                "UK|United Kingdom|Wielka Brytania|Großbritannien|Grossbritannien|Vereinigtes Königreich",
            ),
            (
                "US",
                "USA|U.S.A.|Stany Zjednoczone|United States of America|Vereinigte Staaten",
            ),
            ("CZ", "Czechy|Czech Republic|Tschechien|czechia"),
            ("CI", "Côte d'Ivoire|Cote d’Ivoire|Ivory Coast"),
            (
                "BA",
                "Bosnia and Herzegovina|Bosnia & Herzegovina|Bośnia i Hercegowina",
            ),
            ("TR", "Türkiye|Turkey|Turcja|Türkei"),
            ("NL", "Holandia|Niderlandy|The Netherlands|Holland"),
        ];
        for (code, names) in cases {
            for name in names.split('|') {
                assert_eq!(
                    gives(&format!("{name:?} | country")),
                    Ok(format!("{code:?}")),
                    "{name}"
                );
            }
        }
        for name in ["", "Korea", "Utopia", "P", "PLX", "!"] {
            assert_eq!(
                refusal(&format!("{name:?} | country")),
                NO_COUNTRY,
                "{name}"
            );
        }
    }

    #[test]
    fn every_country_is_told_from_the_others_by_each_of_its_names() {
        let lines: Vec<_> = COUNTRIES
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert_eq!(lines.len(), 249);
        for line in lines {
            for name in line.split('\t') {
                assert_eq!(by_name().get(&plain(name)), Some(&&line[..2]), "{name}");
                assert!(plain(name).len() > 1, "{name}");
            }
        }
    }

    #[test]
    fn money_is_counted_in_the_units_of_its_currency() {
        let cases = [
            (r#"12.34 | minor_units("PLN")"#, "1234"),
            (r#"12 | minor_units("jpy")"#, "12"),
            (r#"-0.001 | minor_units("KWD")"#, "-1"),
            (
                r#"90071992547409.93 | minor_units("EUR")"#,
                "9007199254740993",
            ),
            (
                r#"9007199254740993 | from_minor_units("EUR")"#,
                "90071992547409.93",
            ),
            (r#"1250.00 | from_minor_units("PLN")"#, "12.5"),
        ];
        for (source, result) in cases {
            assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
        }
        assert_eq!(refusal(r#"12.345 | minor_units("PLN")"#), NO_MINOR_UNITS);
        assert_eq!(refusal(r#"0.5 | minor_units("JPY")"#), NO_MINOR_UNITS);
        assert_eq!(refusal(r#"1.5 | from_minor_units("PLN")"#), NO_WHOLE);
        assert_eq!(
            refusal(r#""12.34" | minor_units("PLN")"#),
            "cannot use text as number"
        );
        assert_eq!(refusal(r#"1 | minor_units("X" + "YZ")"#), NO_CURRENCY);
        assert_eq!(refusal(r#""złoty" | currency"#), NO_CURRENCY);
    }
}
