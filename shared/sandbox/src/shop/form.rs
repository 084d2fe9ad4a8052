//! The form of the customers that the shop takes. It is strict, so that nothing half right gets in.

use std::borrow::Cow;

use axum::http::StatusCode;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The keys by which the shop finds a customer.
#[derive(Debug)]
pub(super) struct CustomerKeys<'a> {
    pub(super) external_id: Cow<'a, str>,
    pub(super) email: Cow<'a, str>,
}

/// The reason why the shop refuses a customer.
#[derive(Debug)]
pub(super) struct FormRefusal {
    pub(super) status: StatusCode,
    pub(super) error: String,
    pub(super) field: &'static str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomerForm<'a> {
    #[serde(borrow)]
    external_id: Option<&'a RawValue>,
    email: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    company_name: Option<&'a RawValue>,
    tax_id: Option<&'a RawValue>,
    phone: Option<&'a RawValue>,
    born: Option<&'a RawValue>,
    customer_since: Option<&'a RawValue>,
    address: Option<AddressForm<'a>>,
    balance: Option<&'a RawValue>,
    credit_limit: Option<&'a RawValue>,
    newsletter: Option<&'a RawValue>,
    sms: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressForm<'a> {
    #[serde(borrow)]
    street: Option<&'a RawValue>,
    postal_code: Option<&'a RawValue>,
    city: Option<&'a RawValue>,
    country: Option<&'a RawValue>,
}

/// Checks a customer sent as JSON; null is the same as left out.
pub(super) fn check(body: &str) -> Result<CustomerKeys<'_>, FormRefusal> {
    let form: CustomerForm<'_> = serde_json::from_str(body).map_err(unreadable)?;
    FormField("name", form.name)
        .needed()?
        .text("text", is_something)?;
    FormField("company_name", form.company_name).text("text", is_something)?;
    FormField("tax_id", form.tax_id).text("ten digits", |text| is_digits(text, 10))?;
    FormField("phone", form.phone).text("an E.164 number such as +48600100200", is_e164)?;
    FormField("born", form.born).text("a date such as 1984-03-07", is_date)?;
    FormField("customer_since", form.customer_since)
        .needed()?
        .text("a date such as 1984-03-07", is_date)?;
    FormField("balance", form.balance).needed()?.number()?;
    FormField("credit_limit", form.credit_limit).number()?;
    FormField("newsletter", form.newsletter)
        .needed()?
        .boolean()?;
    FormField("sms", form.sms).needed()?.boolean()?;
    if let Some(address) = form.address {
        check_address(&address)?;
    }
    let external_id = FormField("external_id", form.external_id)
        .needed()?
        .text("text", is_something)?;
    let email = FormField("email", form.email)
        .needed()?
        .text("an e-mail address in lower case", is_email)?;
    Ok(CustomerKeys {
        external_id: external_id.unwrap_or_default(),
        email: email.unwrap_or_default(),
    })
}

fn check_address(form: &AddressForm<'_>) -> Result<(), FormRefusal> {
    FormField("address.street", form.street)
        .needed()?
        .text("text", is_something)?;
    FormField("address.postal_code", form.postal_code)
        .needed()?
        .text("text", is_something)?;
    FormField("address.city", form.city)
        .needed()?
        .text("text", is_something)?;
    FormField("address.country", form.country)
        .needed()?
        .text("two capital letters", is_country)?;
    Ok(())
}

fn unreadable(error: serde_json::Error) -> FormRefusal {
    let status = if error.is_data() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::BAD_REQUEST
    };
    FormRefusal {
        status,
        error: error.to_string(),
        field: "",
    }
}

/// A member of the form, by name.
struct FormField<'a>(&'static str, Option<&'a RawValue>);

impl<'a> FormField<'a> {
    fn needed(self) -> Result<FormField<'a>, FormRefusal> {
        if self.1.is_some() {
            Ok(self)
        } else {
            Err(self.refuse("required"))
        }
    }

    fn text(
        self,
        expected: &str,
        holds: fn(&str) -> bool,
    ) -> Result<Option<Cow<'a, str>>, FormRefusal> {
        #[derive(Deserialize)]
        struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

        let Some(raw) = self.1 else { return Ok(None) };
        match serde_json::from_str::<BorrowedText<'a>>(raw.get()) {
            Ok(BorrowedText(text)) if holds(&text) => Ok(Some(text)),
            _ => Err(self.refuse(&format!("expected {expected}"))),
        }
    }

    fn number(self) -> Result<(), FormRefusal> {
        let is_number = |raw: &RawValue| {
            raw.get()
                .starts_with(|first: char| first == '-' || first.is_ascii_digit())
        };
        if self.1.is_none_or(is_number) {
            Ok(())
        } else {
            Err(self.refuse("expected a number"))
        }
    }

    fn boolean(self) -> Result<(), FormRefusal> {
        let is_boolean = |raw: &RawValue| matches!(raw.get(), "true" | "false");
        if self.1.is_none_or(is_boolean) {
            Ok(())
        } else {
            Err(self.refuse("expected true or false"))
        }
    }

    fn refuse(&self, error: &str) -> FormRefusal {
        FormRefusal {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            error: format!("{}: {error}", self.0),
            field: self.0,
        }
    }
}

fn is_something(text: &str) -> bool {
    !text.is_empty() && text.trim() == text
}

fn is_email(text: &str) -> bool {
    let has_two_sides = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    has_two_sides
        && text.len() <= 254
        && !text.contains(|c: char| c.is_whitespace() || c.is_uppercase())
}

fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).any(|length| is_digits(digits, length)) && !digits.starts_with('0')
    })
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok()
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_digits(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
}
