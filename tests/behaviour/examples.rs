//! The example projects, each between sandboxes made for it. A sandbox lets in only who shows what it
//! should, and keeps what a test compares with its own expectation in the end.

mod analytics_report;
mod crm_to_shop;
mod newsletter;
mod sales_to_accounting;
mod stock_both_ways;

use base64::{Engine, engine::general_purpose::STANDARD};
use pomost_tests::ExampleProject;
use serde_json::json;

use crate::support::{ReceivedRequest, Reply};

/// The answer to who is not let in; none for who sends this in a header.
fn turned_away(request: &ReceivedRequest, header: &str, value: &str) -> Option<Reply> {
    let lets_in = request
        .headers
        .get(header)
        .is_some_and(|sent| sent == value);
    (!lets_in).then(|| Reply::json(401, &json!({ "error": "who are you?" })))
}

/// What a user's name and password look like in the header `Authorization` (RFC 7617).
fn basic(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    )
}

/// The answer to what a system does not have.
fn not_found() -> Reply {
    Reply::json(404, &json!({ "error": "not found" }))
}
