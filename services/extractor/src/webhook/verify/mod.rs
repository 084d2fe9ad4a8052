//! The verification that a delivery comes from its source. The delivery is not parsed for that, and
//! secrets are compared in constant time.
//!
//! A new way to verify is a file here, a variant of [`Verification`] in the project's files, and a
//! line in [`verify`]. A provider that signs by HMAC in its own way needs only a preset of that (in
//! `project`).

mod basic;
mod hmac;
mod secrets;
#[cfg(test)]
mod tests;
mod token;

use http::HeaderName;
use pomost_project::webhook::Verification;

use super::request::ReceivedRequest;

/// The reason for which a delivery is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("the header {0} with the signature is missing")]
    SignatureMissing(HeaderName),
    #[error("no signature in the header {0} is one that our secrets make")]
    WrongSignature(HeaderName),
    /// The signed content cannot be told from the delivery.
    #[error("the signed content cannot be determined: {0}")]
    SignedContent(String),
    /// The delivery was signed too long ago, or in the future.
    #[error("the time of signing is too far from now")]
    TimestampOutOfTolerance,
    #[error("the token is missing or wrong")]
    Token,
    #[error("the user's name or password is missing or wrong")]
    Basic,
}

/// Verifies a delivery in the way that its flow asks for.
pub(super) fn verify(rules: &Verification, request: &ReceivedRequest) -> Result<(), Error> {
    match rules {
        Verification::Hmac(rules) => hmac::verify(rules, request),
        Verification::Token(rules) => token::verify(rules, request),
        Verification::Basic(rules) => basic::verify(rules, request),
    }
}
