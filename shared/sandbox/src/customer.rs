//! A customer as the CRM writes it: everything is text, in whatever form it was typed in.

use serde::{Deserialize, Serialize};

/// A customer of the CRM. Unknown fields are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The primary key.
    pub id: String,
    /// `person` or `company`.
    pub kind: String,
    /// The first name, of a company's contact as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The surname, of a company's contact as well.
    pub last_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<CompanyDetails>,
    /// In mixed case, now and then with spaces around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// In one of many formats, or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// `dd.mm.yyyy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    /// `dd.mm.yyyy`.
    pub registered: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<PostalAddress>,
    /// `1 234,56`, grouped by spaces of several kinds or not at all.
    pub balance: String,
    /// As `balance`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit_limit: Option<String>,
    /// Yes or no in many words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newsletter: Option<String>,
    /// As `newsletter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<String>,
    /// The name that the sales people have for this kind of customer.
    pub segment: String,
    pub channel: String,
    /// The employee who looks after the customer.
    pub owner: String,
    /// Free text.
    pub note: String,
    /// The latest orders, which only the CRM needs.
    pub recent_orders: Vec<CustomerOrder>,
    /// RFC 3339, in UTC or in Polish summer time.
    pub updated_at: String,
    /// True of a deleted customer.
    pub archived: bool,
}

/// A customer that is a company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyDetails {
    pub name: String,
    /// Its tax number: ten digits, with or without dashes and `PL`.
    pub nip: String,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostalAddress {
    pub street: String,
    /// `00-950`.
    pub postal_code: String,
    pub city: String,
    /// A code or a Polish name, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// An order of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerOrder {
    pub number: String,
    /// `dd.mm.yyyy`.
    pub date: String,
    /// As a customer's `balance`.
    pub total: String,
}
