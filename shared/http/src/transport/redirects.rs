//! The redirects that the live transport follows.

use http::StatusCode;
use reqwest::redirect::{Attempt, Policy};
use url::Url;

/// The most redirects that are followed in a row.
const MAX_REDIRECTS: usize = 5;

/// Follows redirects to somewhere within the system.
pub(super) fn following_all(base: Url) -> Policy {
    Policy::custom(move |attempt| match is_within(&base, &attempt) {
        true => attempt.follow(),
        false => attempt.stop(),
    })
}

/// Follows redirects within the system that repeat the request as it was. After a 301, 302 or 303
/// clients go on with a GET (RFC 9110 §15.4), whose success would be taken for the success of the
/// write.
pub(super) fn following_repeats(base: Url) -> Policy {
    const REPEATING: [StatusCode; 2] = [
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    Policy::custom(move |attempt| {
        match REPEATING.contains(&attempt.status()) && is_within(&base, &attempt) {
            true => attempt.follow(),
            false => attempt.stop(),
        }
    })
}

fn is_within(base: &Url, attempt: &Attempt<'_>) -> bool {
    attempt.url().origin() == base.origin() && attempt.previous().len() <= MAX_REDIRECTS
}
