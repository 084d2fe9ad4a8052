//! The example projects, each between sandboxes that are made for it. A sandbox accepts only
//! requests with the right credentials and keeps the records that a test compares with its
//! expectation.

mod analytics_report;
mod crm_to_shop;
mod newsletter;
mod sales_to_accounting;
mod stock_both_ways;

use base64::{Engine, engine::general_purpose::STANDARD};
use pomost_tests::ExampleProject;
use serde_json::json;

use crate::support::{ReceivedRequest, Reply};

/// A refusal of requests without this value in a header.
fn refusal_without(request: &ReceivedRequest, header: &str, value: &str) -> Option<Reply> {
    let lets_in = request
        .headers
        .get(header)
        .is_some_and(|sent| sent == value);
    (!lets_in).then(|| Reply::json(401, &json!({ "error": "who are you?" })))
}

/// The value of the header `Authorization` for a user's name and password (RFC 7617).
fn basic(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    )
}

/// The response to a request for something that a system does not have.
fn not_found() -> Reply {
    Reply::json(404, &json!({ "error": "not found" }))
}
