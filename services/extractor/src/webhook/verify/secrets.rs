//! Comparison with secrets in constant time.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Names of schemes are compared without regard to case (RFC 9110 §11.1).
pub(super) fn strip_scheme<'v>(prefix: &str, value: &'v str) -> Option<&'v str> {
    let (start, rest) = value.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

pub(super) fn is_one_of(offered: &str, secrets: &[SecretString]) -> bool {
    secrets.iter().fold(false, |found, secret| {
        found | is_same(offered, secret.expose_secret())
    })
}

/// Hashes have one length for every text, so not even the length of a secret shows in the time it
/// takes.
pub(super) fn is_same(offered: &str, secret: &str) -> bool {
    Sha256::digest(offered)
        .ct_eq(&Sha256::digest(secret))
        .into()
}
