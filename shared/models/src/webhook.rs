//! The section `extract.webhook` of a flow file.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    ByteSize, Period,
    format::FormatSection,
    secret::SecretReference,
    text::{JqExpression, TextTemplate},
};

/// The webhook that a source delivers changes to, and the records in a delivery. Expressions see
/// the headers of the delivery as `$headers`, with names in lower case.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSection {
    /// The path of this flow's webhook, `/shop/customers`, below the address of webhooks.
    pub path: WebhookPath,
    /// The proof that a delivery comes from the source. A delivery is not read before it is
    /// verified.
    pub verify: VerifySection,
    /// The format of deliveries. By default the one that their Content-Type names, or else JSON.
    #[serde(default)]
    pub format: Option<FormatSection>,
    /// The records in a delivery: one output for each, in the form that `extract.records` gives. By
    /// default the delivery is the record, or each of its rows in formats with rows.
    #[serde(default)]
    pub records: Option<JqExpression>,
    /// Fetches each record with `extract.fetch`, where the flow has it. `false` where deliveries
    /// are complete.
    #[serde(default = "default_fetch")]
    pub fetch: bool,
    /// The record's primary key. By default `extract.key`.
    #[serde(default)]
    pub key: Option<JqExpression>,
    /// The version of the record, which orders the changes of one key. By default
    /// `extract.version`. Without that, changes are ordered by their arrival.
    #[serde(default)]
    pub version: Option<JqExpression>,
    /// A test that is true for records that the source deleted. By default `extract.deleted`.
    #[serde(default)]
    pub deleted: Option<JqExpression>,
    /// The id that tells deliveries apart, so that a repeated one is recognised. By default the id
    /// that the provider in `verify` sends. Without an id, repetitions are not recognised.
    #[serde(default)]
    pub delivery: Option<DeliverySection>,
    /// The largest delivery that is accepted.
    #[serde(default = "default_max_body")]
    #[schemars(
        regex(pattern = "^[0-9]{1,6}(KiB|MiB)$"),
        extend("patternErrorMessage" = "expected a number and a unit: 512KiB or 1MiB")
    )]
    pub max_body: ByteSize,
}

fn default_fetch() -> bool {
    true
}

fn default_max_body() -> ByteSize {
    ByteSize(1 << 20)
}

/// The proof that a delivery comes from the source. With several secrets each of them is accepted,
/// so that a secret can be replaced by the next.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VerifySection {
    /// The signature of GitHub: `X-Hub-Signature-256`.
    Github(SecretsSection),
    /// The signature of Stripe: `Stripe-Signature`.
    Stripe(TimedSecretsSection),
    /// The signature of Shopify: `X-Shopify-Hmac-SHA256`.
    Shopify(SecretsSection),
    /// The signature of the Standard Webhooks specification: `webhook-signature`. The secrets are
    /// `whsec_…`.
    StandardWebhooks(TimedSecretsSection),
    /// Another signature that is an HMAC (RFC 2104).
    Hmac(HmacSection),
    /// A fixed token in every delivery.
    Token(TokenSection),
    /// User name and password: `Authorization: Basic …` (RFC 7617).
    Basic(BasicSection),
}

/// Secrets that deliveries are signed with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsSection {
    /// The secrets. A delivery may be signed with any of them.
    pub secrets: Vec<SecretReference>,
}

/// Secrets that deliveries are signed with, together with the time of signing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimedSecretsSection {
    /// The secrets. A delivery may be signed with any of them.
    pub secrets: Vec<SecretReference>,
    /// The largest difference between the time of signing and now.
    #[serde(default = "default_tolerance")]
    pub tolerance: Period,
}

fn default_tolerance() -> Period {
    Period(Duration::from_secs(300))
}

/// A signature that is an HMAC (RFC 2104).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacSection {
    /// The secrets. A delivery may be signed with any of them.
    pub secrets: Vec<SecretReference>,
    /// The header with the signature. It may contain several signatures, separated by commas or
    /// spaces.
    pub header: String,
    /// The text before the signature, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// The hash function.
    #[serde(default)]
    pub algorithm: HashAlgorithm,
    /// The encoding of the signature.
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// The text that is signed, where `.` is the body as text: `{$headers["x-time"]}.{.}`. The body
    /// by default.
    #[serde(default)]
    pub content: Option<TextTemplate>,
    /// The time of signing, `$headers["x-time"]`: RFC 3339, or seconds or milliseconds since 1970.
    #[serde(default)]
    pub timestamp: Option<JqExpression>,
    /// The largest difference between the time of signing and now.
    #[serde(default = "default_tolerance")]
    pub tolerance: Period,
}

/// The hash function of an HMAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HashAlgorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-1, for sources that have nothing better.
    Sha1,
}

/// The encoding of a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignatureEncoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64 (RFC 4648 §4).
    Base64,
}

/// A fixed token in a header or in the query: exactly one of `header` and `query` has to be given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSection {
    /// The tokens. A delivery may carry any of them.
    pub secrets: Vec<SecretReference>,
    /// The header with the token.
    #[serde(default)]
    pub header: Option<String>,
    /// The text before the token in the header, such as `Bearer `.
    #[serde(default)]
    pub prefix: String,
    /// The query parameter with the token. Proxies may log it.
    #[serde(default)]
    pub query: Option<String>,
}

/// User name and password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicSection {
    /// The user's name.
    pub username: String,
    /// The passwords. A delivery may carry any of them.
    pub passwords: Vec<SecretReference>,
}

/// The id that tells deliveries apart, so that a repeated delivery is not passed on again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverySection {
    /// The header with the delivery's id.
    #[serde(default)]
    pub header: Option<String>,
    /// The delivery's id in its body, or in the first row where the body has several.
    #[serde(default)]
    pub value: Option<JqExpression>,
    /// The time for which the id is remembered.
    #[serde(default = "default_remember")]
    pub remember: Period,
}

fn default_remember() -> Period {
    Period(DEFAULT_REMEMBERED_FOR)
}

/// The time for which ids of deliveries are remembered by default. Providers repeat deliveries for
/// some days.
pub const DEFAULT_REMEMBERED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A path of URLs: `/shop/customers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct WebhookPath(pub String);

impl JsonSchema for WebhookPath {
    fn schema_name() -> Cow<'static, str> {
        "WebhookPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(/[A-Za-z0-9._~-]+)+$",
            "patternErrorMessage": "expected a path of letters, digits and -._~, such as /shop/customers",
            "description": "A path: /shop/customers.",
        })
    }
}

/// The id of a delivery in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub [u8; 16]);

impl DeliveryId {
    /// The id of the delivery that its sender calls `text`. It is a hash, so that ids of any length
    /// need the same space.
    pub fn of(text: &str) -> DeliveryId {
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(text)[..16]);
        DeliveryId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_with_other_ids_have_other_names() {
        assert_eq!(DeliveryId::of("evt_1"), DeliveryId::of("evt_1"));
        assert_ne!(DeliveryId::of("evt_1"), DeliveryId::of("evt_2"));
    }
}
