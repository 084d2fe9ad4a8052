//! Which redirects are followed. One that is not is the answer itself, and so a failure.

use http::StatusCode;
use reqwest::redirect::{Attempt, Policy};
use url::Url;

/// How many are followed in a row.
const MOST: usize = 5;

/// For requests that only read: those that lead to somewhere within the system.
pub(crate) fn reading(base: Url) -> Policy {
    Policy::custom(move |attempt| match within(&base, &attempt) {
        true => attempt.follow(),
        false => attempt.stop(),
    })
}

/// For requests that write: of these, those that repeat the request as it was. After a 301, 302 or 303
/// clients go on with a GET (RFC 9110 §15.4), whose success would be taken for that of the write.
pub(crate) fn writing(base: Url) -> Policy {
    Policy::custom(move |attempt| {
        let repeats = [
            StatusCode::TEMPORARY_REDIRECT,
            StatusCode::PERMANENT_REDIRECT,
        ]
        .contains(&attempt.status());
        if repeats && within(&base, &attempt) {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

fn within(base: &Url, attempt: &Attempt<'_>) -> bool {
    attempt.url().origin() == base.origin() && attempt.previous().len() <= MOST
}
