//! What a source delivers by itself, compiled.

use std::time::Duration;

use http::HeaderName;
use pomost_expression::{Expression, Template};
use pomost_format::BodyFormat;
pub use pomost_models::webhook::{HashAlgorithm, SignatureEncoding};
use secrecy::{SecretSlice, SecretString};

/// Where a source delivers changes by itself, and how records are read from a delivery.
#[derive(Debug)]
pub struct WebhookRules {
    /// The path; no other flow of the project has it.
    pub path: String,
    /// What proves that a delivery comes from the source.
    pub verify: Verification,
    /// What deliveries are written in, where it is not what they say.
    pub format: Option<BodyFormat>,
    /// The records in a delivery.
    pub records: Expression,
    /// Whether the flow's `fetch` asks about each of them.
    pub fetch: bool,
    /// A record's key, where it is read otherwise than the flow's `extract` says.
    pub key: Option<Expression>,
    /// A record's version, likewise.
    pub version: Option<Expression>,
    /// Whether the source deleted the record, likewise.
    pub deleted: Option<Expression>,
    /// What tells a delivery from others.
    pub delivery: Option<DeliveryRules>,
    /// The largest delivery that is taken, in bytes.
    pub max_body: usize,
}

/// What proves that a delivery comes from the source.
#[derive(Debug)]
pub enum Verification {
    /// A signature.
    Hmac(HmacVerification),
    /// A token.
    Token(TokenVerification),
    /// A user's name and password.
    Basic(BasicVerification),
}

/// A signature that is an HMAC (RFC 2104).
#[derive(Debug)]
pub struct HmacVerification {
    /// The keys, any of which may have signed.
    pub keys: Vec<SecretSlice<u8>>,
    /// The header that holds the signatures, with commas or spaces between.
    pub header: HeaderName,
    /// What stands before each; what does not begin with it is none of them.
    pub prefix: String,
    /// The hash function.
    pub algorithm: HashAlgorithm,
    /// How a signature is written.
    pub encoding: SignatureEncoding,
    /// What is signed, of the body as text; without it, the body.
    pub content: Option<Template>,
    /// When it was signed.
    pub timestamp: Option<SignedTimestamp>,
}

/// When a delivery was signed, which is part of what was signed.
#[derive(Debug)]
pub struct SignedTimestamp {
    /// The time: RFC 3339, or seconds or milliseconds since 1970.
    pub value: Expression,
    /// How far it may be from now.
    pub tolerance: Duration,
}

/// A token that every delivery carries.
#[derive(Debug)]
pub struct TokenVerification {
    /// The tokens, any of which may be sent.
    pub secrets: Vec<SecretString>,
    /// Where it is.
    pub place: WebhookTokenPlace,
}

/// Where a token is.
#[derive(Debug)]
pub enum WebhookTokenPlace {
    /// In a header, after a prefix.
    Header {
        /// The header's name.
        name: HeaderName,
        /// What stands before the token.
        prefix: String,
    },
    /// In a query parameter.
    Query {
        /// The parameter's name.
        name: String,
    },
}

/// A user's name and password (RFC 7617).
#[derive(Debug)]
pub struct BasicVerification {
    /// The user's name.
    pub username: String,
    /// The passwords, any of which may be sent.
    pub passwords: Vec<SecretString>,
}

/// What tells a delivery from others.
#[derive(Debug)]
pub struct DeliveryRules {
    /// Where its id is.
    pub id: DeliveryIdPlace,
    /// How long it is remembered.
    pub remember: Duration,
}

/// Where a delivery's id is.
#[derive(Debug)]
pub enum DeliveryIdPlace {
    /// In a header.
    Header(HeaderName),
    /// In the delivery itself.
    Value(Expression),
}
