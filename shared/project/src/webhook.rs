//! Webhooks of flows, compiled.

use std::time::Duration;

use http::HeaderName;
use pomost_expression::{Expression, Template};
use pomost_format::BodyFormat;
pub use pomost_models::webhook::{HashAlgorithm, SignatureEncoding};
use secrecy::{SecretSlice, SecretString};

/// The webhook of a flow, and the records in a delivery.
#[derive(Debug)]
pub struct WebhookRules {
    /// The path. No other flow of the project has it.
    pub path: String,
    pub verify: Verification,
    /// The format of deliveries. None where their Content-Type says it.
    pub format: Option<BodyFormat>,
    /// The records in a delivery.
    pub records: Expression,
    /// True where the flow's `fetch` fetches each record.
    pub fetch: bool,
    /// The record's key, where it differs from `extract.key`.
    pub key: Option<Expression>,
    /// The record's version, where it differs from `extract.version`.
    pub version: Option<Expression>,
    /// The test for deleted records, where it differs from `extract.deleted`.
    pub deleted: Option<Expression>,
    /// The id of a delivery.
    pub delivery: Option<DeliveryRules>,
    /// The largest delivery that is accepted, in bytes.
    pub max_body: usize,
}

/// The proof that a delivery comes from the source.
#[derive(Debug)]
pub enum Verification {
    Hmac(HmacVerification),
    Token(TokenVerification),
    Basic(BasicVerification),
}

/// A signature that is an HMAC (RFC 2104).
#[derive(Debug)]
pub struct HmacVerification {
    /// The keys. A delivery may be signed with any of them.
    pub keys: Vec<SecretSlice<u8>>,
    /// The header with the signatures, separated by commas or spaces.
    pub header: HeaderName,
    /// The text before each signature. Everything in the header that does not begin with it is
    /// ignored.
    pub prefix: String,
    pub algorithm: HashAlgorithm,
    pub encoding: SignatureEncoding,
    /// The text that is signed, made from the body as text. None where it is the body.
    pub content: Option<Template>,
    pub timestamp: Option<SignedTimestamp>,
}

/// The time of signing, which is part of the signed text.
#[derive(Debug)]
pub struct SignedTimestamp {
    /// The time: RFC 3339, or seconds or milliseconds since 1970.
    pub value: Expression,
    /// The largest difference between the time and now.
    pub tolerance: Duration,
}

/// A fixed token in every delivery.
#[derive(Debug)]
pub struct TokenVerification {
    /// The tokens. A delivery may carry any of them.
    pub secrets: Vec<SecretString>,
    pub place: WebhookTokenPlace,
}

/// The place of a token.
#[derive(Debug)]
pub enum WebhookTokenPlace {
    /// A header.
    Header {
        name: HeaderName,
        /// The text before the token.
        prefix: String,
    },
    /// A query parameter.
    Query { name: String },
}

/// User name and password (RFC 7617).
#[derive(Debug)]
pub struct BasicVerification {
    pub username: String,
    /// The passwords. A delivery may carry any of them.
    pub passwords: Vec<SecretString>,
}

/// The id that tells deliveries apart, so that repeated ones are recognised.
#[derive(Debug)]
pub struct DeliveryRules {
    pub id: DeliveryIdPlace,
    /// The time for which the id is remembered.
    pub remember: Duration,
}

/// The place of a delivery's id.
#[derive(Debug)]
pub enum DeliveryIdPlace {
    /// A header.
    Header(HeaderName),
    /// A value in the body.
    Value(Expression),
}
