//! Signatures of the body by HMAC.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac, digest::KeyInit};
use jiff::Timestamp;
use pomost_expression::{EvaluationError, Value, Variables, text};
use pomost_project::webhook::{
    HashAlgorithm, HmacVerification, SignatureEncoding, SignedTimestamp,
};
use secrecy::ExposeSecret;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{super::request::ReceivedRequest, Error};

/// Number of signatures of one delivery that are compared. Providers send one for each of their
/// secrets.
const MAX_SIGNATURES: usize = 16;

/// Any signature may be by any key, since both sides replace their secrets one after the other.
pub(super) fn verify(rules: &HmacVerification, request: &ReceivedRequest) -> Result<(), Error> {
    let header = request
        .header(&rules.header)
        .ok_or(Error::SignatureMissing(rules.header.clone()))?;
    let signatures = signatures(rules, &header);
    let content = signed_content(rules, request)?;
    let is_ours = rules.keys.iter().any(|key| {
        let expected = mac(rules.algorithm, key.expose_secret(), &content);
        signatures
            .iter()
            .any(|signature| expected.ct_eq(signature).into())
    });
    if is_ours {
        Ok(())
    } else {
        Err(Error::WrongSignature(rules.header.clone()))
    }
}

/// The signatures after the prefix, separated by commas or spaces unless the prefix has such
/// itself.
fn signatures(rules: &HmacVerification, header: &str) -> Vec<Vec<u8>> {
    let separates = |c: char| matches!(c, ' ' | ',') && !rules.prefix.contains(c);
    let signatures = header
        .split(separates)
        .filter_map(|signature| signature.strip_prefix(&*rules.prefix));
    let decoded = signatures.filter_map(|signature| match rules.encoding {
        SignatureEncoding::Hex => hex::decode(signature).ok(),
        SignatureEncoding::Base64 => STANDARD.decode(signature).ok(),
    });
    decoded.take(MAX_SIGNATURES).collect()
}

/// The body, or the text that the rules make of it and the headers; then the timestamp is checked
/// as well.
fn signed_content<'r>(
    rules: &HmacVerification,
    request: &'r ReceivedRequest,
) -> Result<Cow<'r, [u8]>, Error> {
    let Some(template) = &rules.content else {
        return Ok(Cow::Borrowed(&request.body));
    };
    let body = std::str::from_utf8(&request.body)
        .map_err(|_| Error::SignedContent("the body is not UTF-8".into()))?;
    let body = Value::from(body.to_owned());
    let variables = Variables {
        headers: request.headers(),
        ..Variables::default()
    };
    if let Some(signed_at) = &rules.timestamp {
        check_timestamp(signed_at, &body, &variables, request.received_at)?;
    }
    let content = template.render(&body, &variables).map_err(untellable)?;
    Ok(Cow::Owned(content.into_bytes()))
}

fn untellable(error: EvaluationError) -> Error {
    Error::SignedContent(error.message)
}

fn check_timestamp(
    signed_at: &SignedTimestamp,
    body: &Value,
    variables: &Variables,
    now: Timestamp,
) -> Result<(), Error> {
    let found = signed_at
        .value
        .one(body.clone(), variables)
        .map_err(untellable)?;
    let time = text(&found)
        .and_then(|text| parse_time(&text))
        .ok_or_else(|| Error::SignedContent("the time of signing is not a time".into()))?;
    match now.duration_since(time).unsigned_abs() <= signed_at.tolerance {
        true => Ok(()),
        false => Err(Error::TimestampOutOfTolerance),
    }
}

/// Reads RFC 3339, or a number of seconds or milliseconds since 1970. The size tells the unit: in
/// seconds, twelve digits would lie beyond the year 5000.
fn parse_time(text: &str) -> Option<Timestamp> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    match text.parse().ok()? {
        seconds @ 0..100_000_000_000 => Timestamp::from_second(seconds).ok(),
        milliseconds => Timestamp::from_millisecond(milliseconds).ok(),
    }
}

fn mac(algorithm: HashAlgorithm, key: &[u8], content: &[u8]) -> Vec<u8> {
    match algorithm {
        HashAlgorithm::Sha256 => mac_by::<Hmac<Sha256>>(key, content),
        HashAlgorithm::Sha1 => mac_by::<Hmac<Sha1>>(key, content),
    }
}

fn mac_by<M: Mac + KeyInit>(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac =
        <M as Mac>::new_from_slice(key).expect("an HMAC takes keys of any length (RFC 2104 §2)");
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}
