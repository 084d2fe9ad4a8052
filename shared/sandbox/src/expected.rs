//! The state that the shop must have, worked out from the CRM's customers in plain Rust: a second
//! opinion that shares nothing with the mapping that it checks.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    customer::{Customer, PostalAddress},
    flat_document::FlatDocument,
};

/// The state that the shop must have after a sync, by the CRM's ids.
#[derive(Debug, Clone, Default)]
pub struct ExpectedState {
    /// Customers that the shop must have.
    pub present: BTreeMap<String, FlatDocument>,
    /// Customers that must be dead letters, with the field at fault.
    pub dead: BTreeMap<String, &'static str>,
}

/// Works out the state that the shop must have after these customers were synced.
///
/// An archived customer must be neither in the shop nor a dead letter, even if it is hopeless: a
/// delete needs nothing of the record but its key.
pub fn expected(customers: impl IntoIterator<Item = Customer>) -> ExpectedState {
    let mut expected = ExpectedState::default();
    for customer in customers.into_iter().filter(|customer| !customer.archived) {
        match ShopCustomer::of(&customer) {
            Ok(fields) => {
                expected.present.insert(customer.id, fields);
            }
            Err(field) => {
                expected.dead.insert(customer.id, field);
            }
        }
    }
    expected
}

#[derive(Serialize)]
struct ShopCustomer<'a> {
    external_id: &'a str,
    email: String,
    name: String,
    company_name: Option<&'a str>,
    tax_id: Option<String>,
    phone: Option<String>,
    born: Option<Date>,
    customer_since: Date,
    address: Option<ShopAddress<'a>>,
    balance: Box<RawValue>,
    credit_limit: Option<Box<RawValue>>,
    newsletter: bool,
    sms: bool,
}

#[derive(Serialize)]
struct ShopAddress<'a> {
    street: &'a str,
    postal_code: &'a str,
    city: &'a str,
    country: &'static str,
}

impl ShopCustomer<'_> {
    /// The fields, or the name of the one that cannot be converted.
    fn of(customer: &Customer) -> Result<FlatDocument, &'static str> {
        let shop_customer = ShopCustomer {
            external_id: &customer.id,
            email: email(customer.email.as_deref()).ok_or("email")?,
            name: name(customer),
            company_name: customer
                .company
                .as_ref()
                .map(|company| company.name.as_str()),
            tax_id: customer
                .company
                .as_ref()
                .map(|company| digits(&company.nip)),
            phone: customer.phone.as_deref().and_then(phone),
            born: optional(&customer.birth_date, date).ok_or("birth_date")?,
            customer_since: date(&customer.registered).ok_or("registered")?,
            address: optional(&customer.address, address).ok_or("address.country")?,
            balance: amount(&customer.balance).ok_or("balance")?,
            credit_limit: optional(&customer.credit_limit, |text| amount(text))
                .ok_or("credit_limit")?,
            newsletter: optional(&customer.newsletter, |text| yes(text))
                .ok_or("newsletter")?
                .unwrap_or(false),
            sms: optional(&customer.sms, |text| yes(text))
                .ok_or("sms")?
                .unwrap_or(false),
        };
        to_raw_value(&shop_customer)
            .map(|document| FlatDocument::of(&document))
            .map_err(|_| "")
    }
}

/// Converts a value that is there; an absent one stays absent.
fn optional<'a, A, B>(
    value: &'a Option<A>,
    convert: impl Fn(&'a A) -> Option<B>,
) -> Option<Option<B>> {
    value
        .as_ref()
        .map_or(Some(None), |value| convert(value).map(Some))
}

fn email(text: Option<&str>) -> Option<String> {
    let text = text?.trim().to_lowercase();
    text.contains('@').then_some(text)
}

fn name(customer: &Customer) -> String {
    match &customer.first_name {
        Some(first) => format!("{first} {}", customer.last_name),
        None => customer.last_name.clone(),
    }
}

fn phone(text: &str) -> Option<String> {
    let digits = digits(text);
    match digits.len() {
        0 => None,
        9 => Some(format!("+48{digits}")),
        _ => Some(format!("+{}", digits.trim_start_matches('0'))),
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn date(text: &(impl AsRef<str> + ?Sized)) -> Option<Date> {
    let mut parts = text.as_ref().split('.');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn address(address: &PostalAddress) -> Option<ShopAddress<'_>> {
    let country = match address
        .country
        .as_deref()
        .unwrap_or("PL")
        .to_lowercase()
        .as_str()
    {
        "pl" | "polska" => "PL",
        "niemcy" => "DE",
        _ => return None,
    };
    let PostalAddress {
        street,
        postal_code,
        city,
        ..
    } = address;
    Some(ShopAddress {
        street,
        postal_code,
        city,
        country,
    })
}

fn amount(text: &str) -> Option<Box<RawValue>> {
    let (whole, cents) = text.split_once(',')?;
    let (sign, whole) = whole
        .strip_prefix('-')
        .map_or(("", whole), |whole| ("-", whole));
    let is_number = whole
        .chars()
        .all(|c| c.is_whitespace() || c.is_ascii_digit());
    let text = format!("{sign}{}.{cents}", digits(whole));
    is_number
        .then(|| RawValue::from_string(text).ok())
        .flatten()
}

fn yes(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "tak" | "t" | "1" | "yes" => Some(true),
        "nie" | "n" | "0" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_of_all_forms_become_the_same() {
        let forms = [
            "+48 600 100 200",
            "600-100-200",
            "0048600100200",
            "48 600100200",
            "tel. 600 100 200",
        ];
        assert!(
            forms
                .iter()
                .all(|form| phone(form).as_deref() == Some("+48600100200"))
        );
        assert_eq!(phone("(22) 123 45 67").as_deref(), Some("+48221234567"));
        assert_eq!(phone("+49 30 500123").as_deref(), Some("+4930500123"));
        assert_eq!(phone(""), None);
    }

    #[test]
    fn amounts_keep_their_digits_whatever_groups_them() {
        let text = |amount_text| amount(amount_text).map(|number| number.get().to_owned());
        assert_eq!(text("1 234,50").as_deref(), Some("1234.50"));
        assert_eq!(
            text("-1\u{a0}234\u{202f}567,00").as_deref(),
            Some("-1234567.00")
        );
        assert_eq!(text("brak danych"), None);
    }

    #[test]
    fn days_that_do_not_exist_do_not_convert() {
        assert_eq!(
            date("07.03.1984").map(|day| day.to_string()).as_deref(),
            Some("1984-03-07")
        );
        assert_eq!(date("31.02.1984"), None);
    }

    #[test]
    fn yes_and_no_are_known_in_all_words() {
        assert!(crate::names::YES.iter().all(|word| yes(word) == Some(true)));
        assert!(crate::names::NO.iter().all(|word| yes(word) == Some(false)));
        assert_eq!(yes("może"), None);
    }
}
