//! A user's name and a password (RFC 7617 §2).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::header;
use pomost_project::webhook::BasicVerification;

use super::{
    super::request::ReceivedRequest,
    Error,
    secrets::{is_one_of, is_same, strip_scheme},
};

pub(super) fn verify(rules: &BasicVerification, request: &ReceivedRequest) -> Result<(), Error> {
    let offered = request.header(&header::AUTHORIZATION).unwrap_or_default();
    let offered = strip_scheme("Basic ", &offered)
        .and_then(|offered| STANDARD.decode(offered.trim()).ok())
        .and_then(|offered| String::from_utf8(offered).ok())
        .unwrap_or_default();
    let (username, password) = offered.split_once(':').unwrap_or_default();
    // Both are compared in any case, so that the time it takes does not tell which of them is
    // wrong.
    let is_our_password = is_one_of(password, &rules.passwords);
    match is_same(username, &rules.username) && is_our_password {
        true => Ok(()),
        false => Err(Error::Basic),
    }
}
